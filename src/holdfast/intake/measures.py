"""How long intake takes, as histograms: one observation a batch, never one a message."""

from collections.abc import Callable, Sequence

from holdfast.intake.prepare import Prepared
from holdfast.telemetry.happenings import Telemetry

ACK_S = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)
DECIDE_S = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0)


class Measures:
    """Loop thread only. Nobody is told until `show`."""

    def __init__(self) -> None:
        self._acked: Callable[[float], None] = _untold
        self._decided: Callable[[float], None] = _untold
        self._came: float | None = None

    def show(self, telemetry: Telemetry) -> None:
        """Make histograms of it."""
        waited = "From the arrival of a batch's first message to the batch's acknowledgements; one a batch."
        self._acked = telemetry.histogram("ack_seconds", waited, ACK_S)
        took = "How long a batch took to be decoded and judged by the rules; one a batch."
        self._decided = telemetry.histogram("decide_seconds", took, DECIDE_S)

    def came(self, now: float) -> None:
        """Something arrived; now: CLOCK_MONOTONIC."""
        if self._came is None:
            self._came = now

    def since(self, prepared: Prepared, now: float) -> float:
        """When the first arrival of what is just decided came; now: of what came of none."""
        return self._came if prepared.arrivals and self._came is not None else now

    def decided(self, prepared: Prepared, took_s: float) -> None:
        """What came so far is this batch."""
        prepared.since, self._came = self._came, None
        self._decided(took_s)

    def settled(self, work: Sequence[Prepared], now: float, error: BaseException | None) -> None:
        """These are committed and acknowledged, unless there was an error."""
        for prepared in work if error is None else ():
            if prepared.since is not None:
                self._acked(now - prepared.since)


def _untold(_: float) -> None:
    """Nobody wants to know."""
