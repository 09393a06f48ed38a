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
    """What came of somebody's doing could not be written into the audit yet; that it was asked for is there."""

    level = Level.ERROR
    metric = "people_audit_failures"
    who: str
    what: str
    error: str


class PersonAuditSettled(Happening, frozen=True):
    """The node was stopped while changes by people were being made: the audit says `unknown` of them now."""

    level = Level.WARNING
    metric = "people_audit_settled"
    changes: int


class AuditChainBroken(Happening, frozen=True):
    """The audit of what people did was tampered with: line `line` doesn't follow from the one before, or is gone."""

    level = Level.ERROR
    metric = "audit_chain_breaks"
    line: int
