"""`temperature=81.5 Cel bad`: the readings of a line, and the values of an expected event."""

import re

from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.stream.traces.script import Given, Number

RAMP = 255
"""Quality that marks the first value of `a..b`; no reading has it."""
_QUALITIES = {
    "good": encode_quality(Quality.GOOD),
    "uncertain": encode_quality(Quality.UNCERTAIN, Reason.DEVICE_SAID_SO),
    "bad": encode_quality(Quality.BAD, Reason.DEVICE_SAID_SO),
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RAMP_OF = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_WRITTEN = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
VALUE_HELP = "a value is 81.5, true, false, nan, 'a text', a list 1,2,3 or a slope 1..9"


def read_readings(found: list[str], units: dict[str, str]) -> dict[str, list[Given]] | str:
    """The columns of a line by metric, and the units into `units`; a sentence when something is wrong."""
    columns: dict[str, list[Given]] = {}
    metric = ""
    for word in found:
        name, equals, text = word.partition("=")
        if equals and name:
            metric = name.strip('"')
            if metric in columns:
                return f"{metric} stands twice in one message"
            values = _values(metric, text)
            if values is None:
                return f"`{word}`: {VALUE_HELP}"
            columns[metric] = values
        elif not metric:
            return f"`{word}` is no `metric=value`"
        elif word in _QUALITIES:
            columns[metric] = [
                one if one.quality == RAMP else Given(metric, one.value, _QUALITIES[word]) for one in columns[metric]
            ]
        elif units.setdefault(metric, word) != word:
            return f"{metric} is in {word} here, and in {units[metric]} above: a series has one unit"
    return columns or "a message has at least one `metric=value`"


def _values(metric: str, text: str) -> list[Given] | None:
    if ramp := _RAMP_OF.fullmatch(text):
        return [Given(metric, float(ramp[1]), RAMP), Given(metric, float(ramp[2]), 0)]
    parts = re.findall(r"'[^']*'|[^,']+", text)
    values = [_value(part) for part in parts]
    if not values or ",".join(parts) != text or any(value is None for value in values):
        return None
    return [Given(metric, value, 0) for value in values if value is not None]


def _value(text: str) -> float | str | bool | None:
    if text.startswith("'"):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return None


def read_number(text: str) -> tuple[Number] | None:
    """What an expected value allows: `81.5` all that rounds to it, `81.5±2`, `unknown`, a text; None for anything else.

    The answer is a tuple of one, as unknown is None itself.
    """
    if text == "unknown":
        return (None,)
    if text.startswith("'"):
        return (text[1:-1],)
    value, sign, tolerance = text.replace("+-", "±").partition("±")
    found = _WRITTEN.fullmatch(value)
    if found is None:
        return None
    number = float(value)
    if sign:
        try:
            off = float(tolerance)
        except ValueError:
            return None
    else:
        off = 0.5 * 10.0 ** (int(found[4] or 0) - len(found[3] or ""))
    slack = 1e-9 * max(1.0, abs(number))
    return ((number - off - slack, number + off + slack),)


def allows(wanted: Number, got: object) -> bool:
    """Whether a value is as expected."""
    if isinstance(wanted, tuple):
        return isinstance(got, int | float) and wanted[0] <= got <= wanted[1]
    return wanted == got


def say_value(value: object) -> str:
    """A value as an expected line writes it."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return f"'{value}'"
    text = f"{float(str(value)):.6g}"
    return text.removesuffix(".0")
