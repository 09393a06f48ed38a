"""What happens to reports."""

from typing import ClassVar, Literal

from holdfast.telemetry.happenings import Happening, Level


class ReportsLost(Happening, frozen=True):
    """Spans or log lines couldn't be kept on disk."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "reports_lost"
    kind: Literal["traces", "logs"]
    cause: str


class ExportFailed(Happening, frozen=True):
    """The collector takes nothing; what is kept waits for it."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "export_outages"
    collector: str
    cause: str
    hint: str


class ExportResumed(Happening, frozen=True):
    """The collector takes reports again."""

    collector: str


class ExportRefused(Happening, frozen=True):
    """The collector refused some reports for good; they are not offered again."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "export_refusals"
    kind: Literal["traces", "logs"]
    collector: str
    items: int
    cause: str


class ReportsHeldBack(Happening, frozen=True):
    """More log lines or steps of traces came than may go up to the parent; the rest stays here."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "reports_held_back"
    per_day: int


class ReportsSentAgain(Happening, frozen=True):
    """Everything goes up again; so many are missing at the parent."""

    level: ClassVar[Level] = Level.WARNING
    lines: int
    steps: int
