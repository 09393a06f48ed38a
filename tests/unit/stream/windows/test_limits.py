"""What a window may cost is said when it is loaded."""

from dataclasses import replace

import pytest
from tests.unit.stream.windows.results import hopping, tumbling

from holdfast.stream.plans import Call, WindowSpec
from holdfast.stream.windows.limits import check_window

DIGEST = [Call("approx_percentile", 0, (0.9,))]
DAY = WindowSpec("calendar", "calendar day", unit="day", zone="Europe/Berlin")


@pytest.mark.parametrize(
    "spec",
    [tumbling(10), tumbling(10, grace=2, late=3_600), hopping(600, 60), hopping(86_400, 60, late=3_600), DAY,
     replace(DAY, starts=(21_600, 50_400, 79_200)), replace(DAY, unit="hour"),
     replace(DAY, unit="week", starts=(21_600,)), WindowSpec("last", "l", samples=5)],
)  # fmt: skip
def test_usual_windows_are_fine(spec: WindowSpec) -> None:
    assert check_window(spec, [Call("avg", 0), Call("max", 0)]) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (hopping(86_400, 1), "86,401 pieces of every key in memory, of 2,048 allowed; use a longer step"),
        (hopping(10, 9.999), "10,001 pieces"),
        (tumbling(1, late=3_600), "less grace and late"),
        (replace(DAY, zone="Mars/Olympus"), "no time zone `Mars/Olympus`"),
        (replace(DAY, zone="../etc/passwd"), "no time zone"),
        (replace(DAY, starts=(50, 20)), "ascending"),
        (replace(DAY, starts=()), "ascending"),
        (replace(DAY, starts=(0, 86_400)), "ascending"),
        (replace(DAY, starts=(0, 600)), "half an hour"),
        (replace(DAY, unit="hour", starts=(600,)), "leave it out"),
        (replace(DAY, unit="month", starts=(0, 43_200)), "shifts of a `calendar day`"),
    ],
)  # fmt: skip
def test_what_is_too_much_or_means_nothing_is_refused_with_what_to_do(spec: WindowSpec, said: str) -> None:
    (fault,) = check_window(spec)
    assert said in fault


def test_digests_in_many_panes_are_too_much_where_sums_are_not() -> None:
    spec = hopping(86_400, 300)
    assert check_window(spec, [Call("avg", 0)]) == []
    (fault,) = check_window(spec, DIGEST)
    assert "KiB a key, of 256 allowed" in fault
