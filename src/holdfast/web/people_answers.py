"""What the routes for people take and say, as JSON."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.identity.people.kinds import kind_of
from holdfast.identity.people.roles import Role
from holdfast.journal.audit_log import Line

Text = Annotated[str, Meta(max_length=1_000)]
Step = Literal["", "asked", "done", "failed", "unknown"]
_STEPS: tuple[Step, ...] = ("asked", "done", "failed", "unknown")


class Me(Struct, frozen=True):
    """Who asks.

    name:  empty where nobody logs in, and before it
    role:  empty = not logged in
    login: do people log in here?
    kiosk: is it a wall screen? It looks, and changes nothing
    empty: nobody can log in yet: somebody must be added on the node itself
    """

    name: str
    role: Literal["viewer", "operator", "admin", ""]
    login: bool
    kiosk: bool
    empty: bool = False


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants in."""

    name: Text
    password: Text


class KioskRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A wall screen's link, as it stands after `#`."""

    token: Text


class PasswordRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One's own new password."""

    old: Text
    new: Text


class PersonRow(Struct, frozen=True):
    """Somebody who may log in. Times in ns UTC."""

    name: str
    role: Role
    made_ns: int
    changed_ns: int


class SessionRow(Struct, frozen=True):
    """A browser that is logged in. id: the start of its id's digest; mine: it asks just now. Times in ns UTC."""

    id: str
    name: str
    kind: Literal["person", "kiosk"]
    made_ns: int
    seen_ns: int
    until_ns: int
    address: str
    agent: str
    mine: bool


class LinkRow(Struct, frozen=True):
    """A kiosk's link, or a token of somebody's scripts. until_ns: ns UTC, 0 = until it's revoked."""

    name: str
    kind: Literal["kiosk", "token"]
    owner: str
    made_ns: int
    until_ns: int


class PeopleList(Struct, frozen=True):
    """Everybody, who is in, and what lets in without a password."""

    people: list[PersonRow]
    sessions: list[SessionRow]
    links: list[LinkRow]


class PeopleChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do.

    do:   add: `name`, `role`, `password` or `hash`; role, password: of `name`; remove: `name`;
          end: the session `name`; kiosk: a link called `name`; token: one called `name`, for `owner`; revoke: the link
    for_s: of a link, 0 = until it's revoked
    """

    do: Literal["add", "role", "password", "remove", "end", "kiosk", "token", "revoke"]
    name: Text
    role: Role | None = None
    password: Text = ""
    owner: Text = ""
    for_s: Annotated[float, Meta(ge=0, le=10 * 366 * 86_400)] = 0.0


class PeopleChanged(Struct, frozen=True):
    """What was done. token: of a new link, said only once."""

    name: str
    token: str = ""


class AuditLine(Struct, frozen=True):
    """Something somebody did or tried. at_ns: ns UTC; whole: it follows from the line before, unchanged.

    who: empty = on the node itself, or nobody who is known; via: local, session, kiosk, token, open
    status: as HTTP would say, 0 = isn't known; body: what was sent, its first 2,000 bytes; empty where it held secrets
    step: done, failed, unknown (the node was stopped meanwhile), asked (not over yet); empty: it changed nothing
    kind: of what; ended_ns: when it was over, ns UTC, 0 = it isn't, or changed nothing
    """

    id: int
    at_ns: int
    who: str
    what: str
    status: int
    address: str
    role: str
    via: str
    body: str
    whole: bool
    step: Step = ""
    ended_ns: int = 0
    kind: str = ""

    @staticmethod
    def of(line: Line) -> "AuditLine":
        """As it's stored."""
        said = line.body
        words = {name: str(said.get(name, "")) for name in ("who", "what", "address", "role", "via", "body")}
        step: Step = next((one for one in _STEPS if one == line.step), "")
        kind = kind_of(words["what"])
        return AuditLine(
            line.id,
            line.at_ns,
            status=line.status,
            whole=line.is_whole,
            step=step,
            ended_ns=line.ended_ns,
            kind=kind,
            **words,
        )


class AuditPage(Struct, frozen=True):
    """Lines, newest first.

    broken_at: the first line that was tampered with, 0 = none; as of `checked_ns` (ns UTC, 0 = not looked yet), or of
               now with `verify=true`
    """

    lines: list[AuditLine]
    broken_at: int = 0
    checked_ns: int = 0
