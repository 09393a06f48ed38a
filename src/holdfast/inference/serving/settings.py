"""What an operator may turn."""

from msgspec import Struct

MIB = 1 << 20


class ServingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How models are run.

    workers:        threads that run models
    spare:          threads that may be lost to models that don't return; beyond that, no stuck one is tried again
    batch_rows:     most rows in a run
    batch_bytes:    most bytes of float64 in a run: more make no row cheaper
    waiting_bytes:  most bytes of rows that wait, for all models together
    waiting_rows:   most rows that wait, for all models together
    watchdog:       a run is stuck after so many budgets, but not before `watchdog_min_s`
    trip_after:     errors in a row that break a model
    pauses_s:       how long a stuck or broken model is left alone: the first time, the second, …
    window_s:       of the latencies' p50 and p99
    shadow_wait_s:  rows for shadows that waited longer are dropped
    """

    workers: int = 1
    spare: int = 2
    batch_rows: int = 1024
    batch_bytes: int = 4 * MIB
    waiting_bytes: int = 16 * MIB
    waiting_rows: int = 50_000
    watchdog: float = 20.0
    watchdog_min_s: float = 2.0
    trip_after: int = 3
    pauses_s: tuple[float, ...] = (60.0, 600.0, 3600.0)
    window_s: float = 60.0
    shadow_wait_s: float = 2.0
