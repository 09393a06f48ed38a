"""What the stream room tells the log and the metrics."""

from collections.abc import Iterable

from holdfast.stream.routing import Refused
from holdfast.telemetry.happenings import Happening, Level, Telemetry


class StreamSeriesRefused(Happening, frozen=True):
    """A rule names this series, and can't have it in the unit it wants: it's left out until either is mended."""

    level = Level.WARNING
    metric = "stream_series_refused"
    series: str
    unit: str
    wanted: str


def tell_refused(refused: Iterable[Refused], telemetry: Telemetry) -> None:
    """Tell of each."""
    for one in refused:
        telemetry.emit(StreamSeriesRefused(one.series.name, one.series.unit, one.wanted))
