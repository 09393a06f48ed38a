import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codecs.decoder import Decoded
from holdfast.codecs.times import NOT_TOLD
from holdfast.intake.skew import DeviceSkew, SkewTable
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series


class Bench:
    """Devices with two series each."""

    def __init__(self, devices: int = 3, max_devices: int = 100) -> None:
        catalogue = Catalogue()
        for d in range(devices):
            for metric in ("a", "b"):
                catalogue.intern(Series("gw", f"d{d}", metric, "", Kind.FLOAT))
        self.table = SkewTable(catalogue, 300 * NS_PER_S, max_devices)

    def offer(self, *messages: tuple[int, float | None]) -> None:
        n = len(messages)
        lead = np.array([NOT_TOLD if s is None else round(s * NS_PER_S) for _, s in messages], np.int64)
        series = np.array([s for d, _ in messages for s in (2 * d, 2 * d + 1)], np.int32)
        batch = Batch(series, np.zeros(2 * n, np.int64), np.zeros(2 * n), np.zeros(2 * n, np.uint8))
        message = np.repeat(np.arange(n, dtype=np.int32), 2)
        self.table.offer(Decoded(batch, message, np.zeros(n, np.uint64), lead, [], 0))

    def skews(self) -> dict[str, float]:
        return {row.device: row.skew_s for row in self.table.worst(100)[1]}


def test_the_least_delayed_message_tells_the_skew_and_the_farthest_device_comes_first() -> None:
    bench = Bench()
    bench.offer((0, -0.3), (0, -0.1), (1, -90.02), (2, 3.5), (0, -7200.0))
    assert bench.table.worst(2) == (3, [DeviceSkew("gw", "d1", -90.02, 1), DeviceSkew("gw", "d2", 3.5, 1)])
    assert bench.skews()["d0"] == -0.1


def test_a_clock_that_was_mended_is_seen_after_two_half_windows() -> None:
    bench = Bench()
    bench.table.turn(1000 * NS_PER_S)
    bench.offer((0, 60.0))
    for half in (1, 2):
        bench.table.turn((1000 + half * 300) * NS_PER_S)
        bench.offer((0, -0.2))
        assert bench.skews()["d0"] == (60.0 if half == 1 else -0.2)


def test_devices_that_tell_no_time_or_are_too_many_are_not_estimated() -> None:
    bench = Bench(max_devices=2)
    bench.offer((0, None), (1, 1.0), (2, 1.0))
    assert bench.skews() == {"d1": 1.0}
    assert bench.table.not_followed == 1


def test_setting_our_own_clock_forgets_the_estimates() -> None:
    bench = Bench()
    bench.offer((0, 5.0))
    bench.table.forget()
    assert bench.table.worst(10) == (0, [])


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(-(10**6), 10**6)), max_size=5), max_size=20))
def test_the_estimate_is_the_greatest_lead_however_it_was_batched(batches: list[list[tuple[int, int]]]) -> None:
    bench, wanted = Bench(), dict[str, float]()
    for batch in batches:
        bench.offer(*((d, float(s)) for d, s in batch))
        for d, s in batch:
            wanted[f"d{d}"] = max(wanted.get(f"d{d}", -1e9), float(s))
    assert bench.skews() == wanted
