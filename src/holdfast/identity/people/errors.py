"""What can go wrong with people.

PeopleError
├── PeopleUnusable   operator: the file of people can't be read as one
├── PersonUnfit      caller: a name, role, password or time can't be used
├── PersonUnknown    caller: nobody, no link and no session is called so
├── PersonThere      caller: the name is taken
├── LoginRefused     caller: name and password don't fit, or the link is over
├── LoginThrottled   caller: too many failed; `retry_after_s` says when to try again
└── AuditWaits       operator: a change can't be put on record now, so it isn't made; `retry_after_s`
"""

from holdfast.kernel.errors import HoldfastError


class PeopleError(HoldfastError):
    """Something about a person."""


class PeopleUnusable(PeopleError):
    """The file of people can't be read as one."""

    hint = "put back a copy of it, or move it away and add people anew with `holdfast people add`"


class PersonUnfit(PeopleError):
    """A name, role, password or time can't be used."""


class PersonUnknown(PeopleError):
    """Nobody, no link and no session is called so."""

    hint = "`holdfast people list` shows who and what there is"


class PersonThere(PeopleError):
    """The name is taken."""

    hint = "choose another name, or change or remove that one"


class LoginRefused(PeopleError):
    """Name and password don't fit, or the link is over. Doesn't say which: that would help to guess."""


class LoginThrottled(PeopleError):
    """Too many failed."""

    hint = "wait, then try again; nobody is locked out for good"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many failed logins; the next is taken in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class AuditWaits(PeopleError):
    """A change can't be put on record now, so it isn't made."""

    hint = "see that the journal's disk has room, then try again: nothing was changed"
    retry_after_s = 5.0

    def __init__(self, cause: str) -> None:
        super().__init__(f"this can't be put on record: {cause}")
