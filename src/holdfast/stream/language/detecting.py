"""`detect:` and `anomaly(x, 'mad', …)`: which detector with which options over which series."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.kernel.clock import NS_PER_S
from holdfast.stream.detecting import COLUMNS, Watch
from holdfast.stream.detectors.catalogue import KINDS, OptionsInvalid, make
from holdfast.stream.detectors.ports import THRESHOLD, Scope
from holdfast.stream.language.devices import Matches, everything
from holdfast.stream.language.expressions import constant
from holdfast.stream.language.nearness import near
from holdfast.stream.language.parsing import shown, text_of
from holdfast.stream.language.settings import RuleText
from holdfast.stream.plans import VALUE
from holdfast.stream.rowops.anomalies import PARTS
from holdfast.stream.state import State

DEFAULT = "auto"
QUIET_NS = 600 * NS_PER_S
"""How long a series must be as usual before its alert ends, where the rule doesn't say."""
_PATTERN = re.compile(r"[a-z0-9_.*]+")
_ELSE = {
    "sql": "select anomaly(…) in it instead", "where": "choose series in `from`", "by": "it's by series anyway",
    "when": "the threshold says when; for more take `detect` out and write `by: series`, `select: anomaly(value) as "
    "score`", "clear_when": "an alert ends below its threshold; how long stands in `clear_for`",
    "absent": "silence is a rule of its own", "then": "take `detect` out and select anomaly(…)",
    "unless": "take `detect` out and select anomaly(…)", "window": "a detector looks at every reading",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """`detect:` as read. select, when: what it's short for; chooses: which series."""

    watch: Watch | None = None
    select: str = f"{VALUE} as score"
    when: str = "score > 0"
    chooses: Matches = field(default=everything)


def watching(text: RuleText, faults: Mapping[str, list[str]]) -> Watched:
    """What a rule watches, and with what."""
    for key, instead in _ELSE.items():
        said = getattr(text, key)
        if said not in ("", None) and not (key == "window" and said == "none"):
            faults[key].append(f"`{key}` has no place beside `detect`: {instead}")
    watch = _watch(text.detect, faults["detect"])
    chooses = _chooses(text.select, faults["select"])
    if watch is None:
        return Watched(chooses=chooses)
    options = "".join(f", '{name}={value!r}'" for name, value in watch.options.items())
    call = f"({VALUE}, '{watch.detector}'{options})"
    columns = ", ".join(f"{part}{call} as {name}" for part, name in zip(PARTS, COLUMNS, strict=True))
    return Watched(watch, columns, f"score >= {watch.threshold!r}", chooses)


def _watch(said: str | Mapping[str, float | str], faults: list[str]) -> Watch | None:
    given = {"detector": said} if isinstance(said, str) else dict(said)
    name, threshold = given.pop("detector", DEFAULT), given.pop("threshold", THRESHOLD)
    if not isinstance(threshold, float | int) or not 0 < threshold <= 1:
        faults.append(f"threshold: a score above 0 and up to 1, not {threshold}; detectors' own is {THRESHOLD}")
        return None
    texts = [f"{key}: {value!r} is no number" for key, value in given.items() if isinstance(value, str)]
    faults += texts
    options = {key: float(value) for key, value in given.items() if not isinstance(value, str)}
    kind = KINDS.get(str(name))
    if kind is not None and kind.columns[0] > 1:
        faults.append(
            f"{name} looks at several columns together: `select: anomaly(a, b, '{name}') as score` and `when`"
        )
        return None
    if texts or not _is_made(str(name), options, 1, faults, ("threshold",)):
        return None
    return Watch(str(name), options, float(threshold))


def _is_made(
    name: str, options: Mapping[str, float], columns: int, faults: list[str], more: tuple[str, ...] = ()
) -> bool:
    """Whether there is such a detector; if not, what there is. more: other words that could have been meant."""
    try:
        make(name, Scope(State()), options, columns)
    except OptionsInvalid as error:
        known = KINDS.get(name)
        words = KINDS if known is None else [*more, *known.defaults()]
        wrong = name if known is None else next((one for one in options if one not in known.defaults()), "")
        faults.append(f"{error}{near(wrong, list(words)) if wrong else ''}")
        return False
    return True


def _chooses(select: str | Sequence[str], faults: list[str]) -> Matches:
    """Series whose metric is one of these: names, with `*` for any text."""
    parts = [one.strip() for one in (select.split(",") if isinstance(select, str) else select)]
    wrong = [one for one in parts if _PATTERN.fullmatch(one) is None]
    if wrong:
        faults.append(
            f'`{wrong[0]}` is no metric; beside `detect` stand metrics such as `air.temperature, press.*`, or `"*"` '
            "for all"
        )
        return everything
    if "*" in parts:
        return everything
    found = re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in parts))
    return lambda _node, _device, metric="": found.fullmatch(metric) is not None


def detector_of(
    arguments: Sequence[Any], node: Any, faults: list[str]
) -> tuple[list[Any], str | None, dict[str, float]]:
    """What `anomaly(x, y, 'name', 3, 'option=2')` says: columns, detector (None: told what is wrong), options.

    Numbers behind the name are its options in their order.
    """
    texts = [i for i, one in enumerate(arguments) if text_of(one) is not None]
    end = texts[0] if texts else len(arguments)
    columns, name = list(arguments[:end]), str(text_of(arguments[end])) if texts else DEFAULT
    if not columns:
        faults.append(f"`{shown(node)}`: what it watches comes first, as in `anomaly(air.temperature, 'auto')`")
        return [], None, {}
    kind = KINDS.get(name)
    order = [] if kind is None else [option.name for option in kind.options]
    options, place = dict[str, float](), 0
    for one in arguments[end + 1 :] if kind is not None else ():
        said, number = text_of(one), constant(one)
        key, _, value = (said or "").partition("=")
        if said is None and number is not None and place < len(order):
            options[order[place]] = number
            place += 1
        elif said is not None and _is_number(value):
            options[key.strip()] = float(value)
        else:
            faults.append(
                f"`{shown(node)}`: behind the detector's name stand its options, as numbers in their order or as "
                f"'option=number'; {name} has {', '.join(order) or 'none'}"
            )
            return columns, None, {}
    return columns, name if _is_made(name, options, len(columns), faults) else None, options


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
