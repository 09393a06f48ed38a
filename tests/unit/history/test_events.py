import pytest
from tests.events import alert
from tests.unit.history.stored import Row, StoredGroups

from holdfast.history.events import latest_events
from holdfast.model.lane import Lane


@pytest.mark.parametrize(("groups", "size"), [(1, 3), (5, 7), (2000, 1), (3, 900)])
def test_the_latest_events_come_first_however_they_were_committed(groups: int, size: int) -> None:
    stored = StoredGroups()
    number = 0
    for _ in range(groups):
        stored.add_events([alert(number + i, id=str(number + i)) for i in range(size)])
        number += size
    found = latest_events(stored, 5)
    assert [int(e.id) for e in found] == list(range(number - 1, -1, -1))[:5]


def test_readings_in_the_lane_are_passed_over() -> None:
    stored = StoredGroups()
    stored.add_events([alert(1, id="1")])
    for _ in range(20):
        stored.add([Row(0, 1, 1.0)] * 100, lane=Lane.CRITICAL)
    assert [e.id for e in latest_events(stored, 5)] == ["1"]


def test_where_nothing_happened_there_are_none() -> None:
    assert latest_events(StoredGroups(), 5) == []
