"""What the documents room tells the log and the metrics."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class DocumentExchanged(Happening, frozen=True):
    """A document was compared with the parent's, and each side took what it lacked."""

    level = Level.DEBUG
    metric = "document_exchanges"
    document: str
    rounds: int


class DocumentExchangeFailed(Happening, frozen=True):
    """The parent was not reached, or made no sense."""

    level = Level.DEBUG
    metric = "document_exchange_failures"
    detail: str


class DocumentStuck(Happening, frozen=True):
    """A document can't be exchanged with the parent though the link is up; the others go on."""

    level = Level.WARNING
    metric = "documents_stuck"
    document: str
    detail: str


class DocumentUnstuck(Happening, frozen=True):
    """A document that was stuck is exchanged again."""

    document: str


class DocumentUpdateRefused(Happening, frozen=True):
    """Somebody sent an update that wasn't taken. Quiet in the log: anyone with a token can cause these."""

    level = Level.DEBUG
    metric = "document_updates_refused"
    reason: Literal["malformed", "gap", "too_large", "too_many"]
    document: str


class DocumentDamaged(Happening, frozen=True):
    """The disk gave stored updates of a document back wrong; the next exchanges bring what they held."""

    level = Level.ERROR
    metric = "documents_damaged"
    document: str
    updates: int


class DocumentLinkLost(Happening, frozen=True):
    """Shared documents don't reach the parent any more; edits wait here."""

    level = Level.WARNING
    metric = "document_links_lost"
    detail: str


class DocumentLinkRestored(Happening, frozen=True):
    """Shared documents reach the parent again."""
