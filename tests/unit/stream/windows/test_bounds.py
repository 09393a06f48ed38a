import pytest
from tests.unit.stream.windows.plain import S
from tests.unit.stream.windows.test_ordered import SPECS

from holdfast.stream.plans import WindowSpec
from holdfast.stream.windows.bounds import check_ordered_window

DAY = 86_400 * S


@pytest.mark.parametrize("name", SPECS)
def test_every_window_that_works_may_be_loaded(name: str) -> None:
    assert check_ordered_window(SPECS[name]) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (WindowSpec("sliding", "sliding 0s"), "longer than nothing"),
        (WindowSpec("sliding", "sliding 32d", behind=32 * DAY), "31d long at most"),
        (WindowSpec("sliding", "sliding 1s grace 32d", behind=S, grace=32 * DAY), "a grace is at most 31d"),
        (WindowSpec("session", "session 0s"), "longer than nothing"),
        (WindowSpec("session", "session 5m max 1m", gap=300 * S, most=60 * S), "at least its gap"),
        (WindowSpec("count", "count 0", samples=0), "1 to 100,000 messages"),
        (WindowSpec("count", "count 5 every 0", samples=5, step=0), "every 1 or more"),
        (WindowSpec("state", "state while", begin=-1), "state while c"),
    ],
)
def test_a_window_that_cannot_work_is_refused_with_what_to_do(spec: WindowSpec, said: str) -> None:
    faults = check_ordered_window(spec)
    assert len(faults) == 1
    assert said in faults[0]
    assert spec.text in faults[0]
