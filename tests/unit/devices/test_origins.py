"""Where devices' messages come from is noted now and then, not for each message."""

from typing import NamedTuple

import numpy as np

from holdfast.devices.origins import AGAIN_NS, MOST_EACH, Origin, Origins


class Run(NamedTuple):
    source: str
    topic: str
    payloads: tuple[bytes, ...]
    received_ns: int


def heard(origins: Origins, devices: list[int], *runs: Run) -> None:
    origins.heard(np.array(devices, np.int32), runs)


def test_each_device_is_known_by_the_run_that_its_message_came_in() -> None:
    origins = Origins()
    heard(origins, [0, 0, 7, -1], Run("a", "x/0", (b"", b""), 5), Run("b", "x/7", (b"",), 6), Run("c", "?", (b"",), 7))
    assert origins.of(0) == [Origin("a", "x/0", 5)]
    assert origins.of(7) == [Origin("b", "x/7", 6)]
    assert origins.of(3) == []


def test_a_device_is_noted_again_after_a_minute_with_the_latest_way_first() -> None:
    origins = Origins()
    for at, topic in ((0, "t/1"), (1, "t/2"), (AGAIN_NS + 2, "t/3"), (2 * AGAIN_NS + 4, "t/1")):
        heard(origins, [2], Run("a", topic, (b"",), at))
    assert [(one.topic, one.heard_ns) for one in origins.of(2)] == [
        ("t/1", 2 * AGAIN_NS + 4),
        ("t/3", AGAIN_NS + 2),
    ]


def test_of_a_device_with_very_many_topics_a_few_are_remembered() -> None:
    origins = Origins()
    for n in range(50):
        heard(origins, [1], Run("a", f"t/{n}", (b"",), n * (AGAIN_NS + 1)))
    assert len(origins.of(1)) == MOST_EACH
    assert origins.of(1)[0].topic == "t/49"
