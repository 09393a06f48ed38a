"""Functions of texts, worked out once per text and not per reading: columns hold codes, results are remembered."""

import json
import math
import re
import re._constants as words  # type: ignore[import-not-found,unused-ignore]  # there since 3.11
import re._parser as parser  # type: ignore[import-not-found,unused-ignore]  # as above
from collections.abc import Callable
from typing import Any

import numpy as np

from holdfast.stream.texts import known

MOST_RESULTS = 10_000
"""Results remembered per function; then it begins anew."""
MOST_TEXT = 4_000
"""Characters of a text that a function makes; what is longer is cut."""
MOST_PATTERN = 200

Result = str | float | bool | None
NAN = math.nan


class PerText:
    """A function of texts and numbers, applied to columns. Any argument unknown: the result is unknown."""

    def __init__(self, function: Callable[..., Result], is_text: tuple[bool, ...]) -> None:
        """is_text: which arguments are texts."""
        self._function, self._is_text = function, is_text

    def __call__(self, *columns: Any) -> Any:
        """One result per row: a number, or a text's code."""
        if not any(np.ndim(c) for c in columns):
            return np.float64(self._results([tuple(float(c) for c in columns)])[0])
        arrays = np.broadcast_arrays(*columns)
        if len(arrays) == 1 or all(not np.ndim(c) for c in columns[1:]):
            rest = tuple(float(c) for c in columns[1:])
            first, place = np.unique(arrays[0], return_inverse=True)
            return np.array(self._results([(value, *rest) for value in first.tolist()]), np.float64)[place]
        stacked = np.stack(arrays, axis=1).astype(np.float64)
        rows, place = np.unique(stacked, axis=0, return_inverse=True)
        return np.array(self._results([tuple(r) for r in rows.tolist()]), np.float64)[place.ravel()]

    def _results(self, rows: list[tuple[float, ...]]) -> list[float]:
        texts = known()
        before = texts.results.setdefault(self, {})
        if len(before) > MOST_RESULTS:
            before.clear()
        found = []
        for row in rows:
            result = before.get(row)
            if result is None:
                result = self._result(row)
                if result == result:  # noqa: PLR0124 - a text that isn't known yet may be soon
                    before[row] = result
            found.append(result)
        return found

    def _result(self, row: tuple[float, ...]) -> float:
        texts = known()
        given: list[Any] = []
        for value, is_text in zip(row, self._is_text, strict=True):
            one = texts.text(value) if is_text else value
            if one is None or (not is_text and math.isnan(value)):
                return NAN
            given.append(one)
        try:
            result = self._function(*given)
        except (ValueError, OverflowError, RecursionError):
            return NAN
        if isinstance(result, str):
            return texts.number(result[:MOST_TEXT])
        return float(result) if result is not None and math.isfinite(result) else NAN


def like(pattern: str, *, ignores_case: bool = False) -> PerText:
    """SQL's `like`: % is any text, _ any character."""
    steps = {"%": ".*", "_": "."}
    flags = re.DOTALL | (re.IGNORECASE if ignores_case else 0)
    compiled = re.compile("".join(steps.get(c, re.escape(c)) for c in re.sub("%+", "%", pattern)), flags)
    return PerText(lambda text: compiled.fullmatch(text) is not None, (True,))


def compiled_pattern(text: str) -> re.Pattern[str]:
    """A regular expression that can't take for ever.

    Raises:
        ValueError: when it isn't one, is too long, or repeats what repeats.
    """
    if len(text) > MOST_PATTERN:
        msg = f"a pattern has at most {MOST_PATTERN} characters"
        raise ValueError(msg)
    try:
        compiled = re.compile(text)
        tree = parser.parse(text)
    except (re.error, RecursionError, OverflowError) as error:
        msg = f"isn't a regular expression: {error}"
        raise ValueError(msg) from None
    if _repeats(tree, inside=False) or _unbounded(tree) > 3:
        msg = (
            "a pattern can't repeat what repeats, as in `(a+)+`, nor have more than three * and +: it could take hours"
        )
        raise ValueError(msg)
    return compiled


def _repeats(tree: Any, *, inside: bool) -> bool:
    for operator, argument in tree:
        if operator in (words.MAX_REPEAT, words.MIN_REPEAT):
            most, inner = argument[1], argument[2]
            if inside and most > 1:
                return True
            if _repeats(inner, inside=inside or most > 1):
                return True
        elif any(_repeats(inner, inside=inside) for inner in _parts(operator, argument)):
            return True
    return False


def _unbounded(tree: Any) -> int:
    found = 0
    for operator, argument in tree:
        if operator in (words.MAX_REPEAT, words.MIN_REPEAT):
            found += (argument[1] > 1000) + _unbounded(argument[2])
        else:
            found += sum(_unbounded(inner) for inner in _parts(operator, argument))
    return found


def _parts(operator: Any, argument: Any) -> list[Any]:
    if operator is words.BRANCH:
        return list(argument[1])
    if operator is words.SUBPATTERN:
        return [argument[3]]
    if operator in (words.ASSERT, words.ASSERT_NOT):
        return [argument[1]]
    return []


def steps_of(path: str) -> list[str | int]:
    """The steps of a JSON path such as `$.a.b[0]`.

    Raises:
        ValueError: when it isn't one.
    """
    found = re.fullmatch(r"\$((?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d{1,6}\]|\[\"[^\"]+\"\])*)", path)
    if found is None:
        msg = f"`{path}` is no path; write one such as `$.a.b` or `$.list[0]`"
        raise ValueError(msg)
    parts = re.findall(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[\"([^\"]+)\"\]", found[1])
    return [int(index) if index else name or quoted for name, index, quoted in parts]


def reached(text: str, steps: list[str | int]) -> Any:
    """What a JSON text holds there; None when it holds nothing."""
    value = json.loads(text)
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
