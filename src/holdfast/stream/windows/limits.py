"""What a window may cost: said when a rule is loaded, not when a node runs out of memory."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast.stream.aggregates.parts import bytes_of
from holdfast.stream.plans import Call, WindowSpec
from holdfast.stream.windows.grids import grid_of

MOST_PANES = 2_048
MOST_BYTES = 1 << 18
"""Of panes, per key."""
_DAY = 86_400


def check_window(spec: WindowSpec, calls: Sequence[Call] = ()) -> list[str]:
    """What is wrong with a tumbling, hopping or calendar window, each fault with what to do; empty: nothing.

    calls: with them the check is of bytes too.
    """
    if spec.kind == "calendar":
        faults = _calendar(spec)
    elif spec.kind in ("tumbling", "hopping"):
        faults = [] if spec.width > 0 and spec.hop > 0 else ["a window and its step are longer than nothing"]
    else:
        return []
    return faults or _cost(spec, calls)


def _cost(spec: WindowSpec, calls: Sequence[Call]) -> list[str]:
    grid = grid_of(spec)
    if grid.panes > MOST_PANES:
        said = f"`{spec.text}` would keep {grid.panes:,} pieces of every key in memory, of {MOST_PANES:,} allowed"
        return [f"{said}; use a longer step that divides the window evenly, or less grace and late"]
    size = grid.panes * bytes_of(calls)
    if size > MOST_BYTES:
        said = (
            f"`{spec.text}` with these aggregates would take {size >> 10:,} KiB a key, of {MOST_BYTES >> 10:,} allowed"
        )
        return [f"{said}; use a longer step, less grace and late, or fewer of approx_percentile"]
    return []


def _calendar(spec: WindowSpec) -> list[str]:
    faults = []
    try:
        ZoneInfo(spec.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.append(f"there is no time zone `{spec.zone}`; use a name of the IANA list, such as `Europe/Berlin`")
    starts = spec.starts
    if not starts or list(starts) != sorted(set(starts)) or not 0 <= starts[0] <= starts[-1] < _DAY:
        faults.append("times after `at` are from 00:00 to 23:59, each once, ascending")
    elif spec.unit == "hour" and starts != (0,):
        faults.append("an hour has no `at`; leave it out")
    elif spec.unit != "day" and len(starts) > 1:
        faults.append(f"a {spec.unit} begins at one time; several after `at` are shifts of a `calendar day`")
    elif len(starts) > 1 and min(b - a for a, b in zip(starts, [*starts[1:], starts[0] + _DAY], strict=True)) < 1_800:
        faults.append("shifts are at least half an hour long")
    return faults
