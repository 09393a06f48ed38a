"""Are two results the same, as JSON has them? Pure.

The order of members is of no matter, -0 is 0, NaN and the infinities are null; true is not 1.
"""

import math
from typing import Any

EXACT = 1e-12
"""Relative: engines differ in the last bit of Math.pow and the like."""
CLOSE = 1e-6
_DIFFERENCES = 10
_SHOWN = 80


def differences(wanted: Any, got: Any, tolerance: float = EXACT) -> list[str]:
    """What differs, as `path: wanted ..., got ...`; empty when nothing does. At most ten."""
    found: list[str] = []
    _compare(wanted, got, tolerance, "", found)
    return found[:_DIFFERENCES]


def result_differences(wanted: dict[str, Any], got: dict[str, Any], tolerance: float = EXACT) -> list[str]:
    """What differs between two results of the codec contract.

    No warnings are the same as an empty list of them, and beside errors data don't count: a network server drops them.
    """
    wanted, got = _contract(wanted), _contract(got)
    if wanted.get("errors") and "data" not in wanted:
        got.pop("data", None)
    known = {"data", "warnings", "errors", "bytes", "fPort"} | wanted.keys()
    return differences(wanted, {name: value for name, value in got.items() if name in known}, tolerance)


def _contract(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in {"warnings", "errors"} or value}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _compare(wanted: Any, got: Any, tolerance: float, path: str, found: list[str]) -> None:
    wanted, got = _plain(wanted), _plain(got)
    if isinstance(wanted, dict) and isinstance(got, dict):
        _compare_members(wanted, got, tolerance, path, found)
    elif isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            found.append(f"{path}: wanted {len(wanted)} elements, got {len(got)}")
        for i, (a, b) in enumerate(zip(wanted, got, strict=False)):
            _compare(a, b, tolerance, f"{path}[{i}]", found)
    elif not _same(wanted, got, tolerance):
        found.append(f"{path}: wanted {_show(wanted)}, got {_show(got)}")


def _compare_members(
    wanted: dict[str, Any], got: dict[str, Any], tolerance: float, path: str, found: list[str]
) -> None:
    for name in dict.fromkeys([*wanted, *got]):
        inner = f"{path}.{name}" if path else name
        if name not in got:
            found.append(f"{inner}: wanted {_show(wanted[name])}, is missing")
        elif name not in wanted:
            found.append(f"{inner}: not wanted, got {_show(got[name])}")
        else:
            _compare(wanted[name], got[name], tolerance, inner, found)


def _same(wanted: Any, got: Any, tolerance: float) -> bool:
    if _is_number(wanted) and _is_number(got):
        return math.isclose(wanted, got, rel_tol=tolerance, abs_tol=tolerance)
    return type(wanted) is type(got) and bool(wanted == got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
