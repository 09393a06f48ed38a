"""Whatever clients send, the server neither falls nor hangs nor grows."""

import tracemalloc

import pytest
from tests.unit.adapters.mqtt.fuzz import fuzz


def test_twenty_thousand_bent_packets_end_in_a_goodbye_or_a_lawful_state() -> None:
    outcome = fuzz(1, 20_000)
    assert outcome.packets >= 20_000
    assert 0 < outcome.closed < outcome.clients
    assert {"MALFORMED", "PROTOCOL_ERROR", "TOPIC_INVALID"} <= outcome.faults.keys()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_bent_packets_leave_no_memory_behind() -> None:
    """Ten seeds of 100,000; after the first, which fills caches to their bounds, nothing may grow."""
    fuzz(0, 100_000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for seed in range(1, 10):
            fuzz(seed, 100_000)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000
    assert peak - before < 50_000_000
