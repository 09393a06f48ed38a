"""What following readings costs the hot path: `python -m benchmarks.tracing`; a minute.

Micro-batches of three sizes are decoded and decided without a tracer, with the default share and with one in a hundred,
turn by turn in one process; CPU time of the thread, the tenth best of each hundred, as the machine may be busy.
"""

import time
from collections.abc import Iterator

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.intake.prepare import Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.tracing import finished
from holdfast.kernel.clock import SystemClock
from holdfast.model.series import Catalogue
from holdfast.stream.engine import Engine
from holdfast.telemetry.spans import Tracer

SHARES = (0.0, 0.0001, 0.01)
SIZES = ((1, 1, 4_000), (20, 1, 1_500), (100, 20, 60))
"""Devices, messages each, rounds."""
WARM = 20


class _Receipt:
    def settle(self) -> None:
        """Nobody waits."""

    def refuse(self) -> None:
        """Nobody waits."""


def _part(share: float) -> tuple[Preparer, Tracer | None]:
    catalogue = Catalogue()
    tracer = Tracer("gw", share, SystemClock()) if share else None
    decoder = Decoder(load_profiles([BUILTIN / "rooms.yaml"]), catalogue, "gw")
    return Preparer(decoder, SeenKeys(200_000), Engine([], catalogue, "gw"), tracer=tracer), tracer


def _arrivals(numbers: Iterator[int], devices: int, each: int) -> list[Arrival]:
    now = SystemClock().wall_ns()
    rest = b'"ts":%.3f,"temp_c":21.5,"hum":40,"lux":1,"co2":5,"occ":false}' % (now / 1e9)
    return [
        Arrival(
            f"d{d}",
            f"acme/room-{d}/telemetry",
            [b'{"id":%d,' % next(numbers) + rest for _ in range(each)],
            now,
            _Receipt(),
        )
        for d in range(devices)
    ]


def main() -> None:
    numbers = iter(range(1, 10**9))
    for devices, each, rounds in SIZES:
        parts = {share: _part(share) for share in SHARES}
        took: dict[float, list[float]] = {share: [] for share in SHARES}
        for turn in range(rounds + WARM):
            first = turn % len(SHARES)
            for share in (*SHARES[first:], *SHARES[:first]):
                preparer, tracer = parts[share]
                arrivals = _arrivals(numbers, devices, each)
                began = time.thread_time_ns()
                prepared = preparer.prepare(arrivals)
                if tracer is not None:
                    finished(tracer, [prepared], 0.001)
                if turn >= WARM:
                    took[share].append((time.thread_time_ns() - began) / (devices * each) / 1e3)
        usual = {share: sorted(some)[len(some) // 10] for share, some in took.items()}
        said = ", ".join(f"{share:g}: {us:.2f} µs (x{us / usual[0.0]:.3f})" for share, us in usual.items())
        print(f"{devices * each:5d} messages a micro-batch; a message by share followed: {said}", flush=True)


if __name__ == "__main__":
    main()
