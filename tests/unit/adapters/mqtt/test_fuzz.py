"""Whatever clients send, the server neither falls nor hangs nor grows."""

import gc
import resource
import tracemalloc

import pytest
from tests.unit.adapters.mqtt.fuzz import fuzz


def test_twenty_thousand_bent_packets_end_in_a_goodbye_or_a_lawful_state() -> None:
    outcome = fuzz(1, 20_000)
    assert outcome.packets >= 20_000
    assert 0 < outcome.closed < outcome.clients
    assert {"MALFORMED", "PROTOCOL_ERROR", "TOPIC_INVALID", "TOO_LARGE"} <= outcome.faults.keys()


def test_hostile_clients_leave_no_memory_behind() -> None:
    fuzz(2, 2_000)
    gc.collect()
    tracemalloc.start()
    try:
        fuzz(3, 4_000)
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 200_000
    assert peak < 20_000_000


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_bent_packets_do_not_make_the_process_grow() -> None:
    fuzz(100, 100_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(101, 110):
        fuzz(seed, 100_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
