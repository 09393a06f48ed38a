"""What people's logins say; never a secret, and of failures never more than a few an hour."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class PersonLoggedIn(Happening, frozen=True):
    """Somebody came in."""

    metric = "people_logins"
    how: Literal["password", "kiosk"]
    who: str
    address: str


class PersonLoginRefused(Happening, frozen=True):
    """Somebody was not let in. Quiet in the log: anyone can cause these; the audit says so, bounded."""

    level = Level.DEBUG
    metric = "people_logins_refused"
    reason: Literal["wrong", "throttled", "link"]
    address: str


class PersonActed(Happening, frozen=True):
    """Somebody changed something, or tried to. line, chain: of the audit, so that this log bears witness to it."""

    metric = "people_actions"
    who: str
    what: str
    status: int
    address: str
    line: int
    chain: str


class PersonAuditFailed(Happening, frozen=True):
    """What somebody did could not be written into the audit; it was done all the same."""

    level = Level.ERROR
    metric = "people_audit_failures"
    who: str
    what: str
    error: str
