"""`=> raised overheat press-1 at 08:00:30 t=81.5`: an expected event, and a real one said in the same words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from holdfast.stream.traces.script import Expected, Kind, Number, Step
from holdfast.stream.traces.times import Times
from holdfast.stream.traces.values import allows, read_number, say_value

EVENT_HELP = "write `=> raised RULE DEVICE at TIME column=value`, or `cleared`, `result`, or `=> nothing`"


@dataclass(frozen=True, slots=True)
class Got:
    """What a rule did. step: of the trace; ts: event time, ns."""

    step: int
    kind: Kind
    rule: str
    node: str
    device: str
    ts: int
    values: Mapping[str, float | str | None] = field(default_factory=dict)
    message: str = ""

    @property
    def facts(self) -> tuple[object, ...]:
        """All but the step: what must be the same however rows were batched."""
        return self.ts, self.rule, self.node, self.device, self.kind, tuple(map(_exact, self.values.items()))


def _exact(pair: tuple[str, object]) -> tuple[str, str]:
    return pair[0], float(pair[1]).hex() if isinstance(pair[1], int | float) else repr(pair[1])


def read_expected(line: int, said: str, found: list[str], times: Times) -> Expected | str | None:
    """An expected event; a sentence when it is none; None for `nothing`."""
    if found == ["nothing"]:
        return None
    if len(found) < 2 or found[0] not in get_args(Kind):
        return EVENT_HELP
    kind: Kind = found[0]  # type: ignore[assignment]  # looked at above
    made = _Parts()
    rest = found[2:]
    while rest:
        taken = made.take(rest, times)
        if isinstance(taken, str):
            return taken
        rest = rest[taken:]
    return Expected(line, said, kind, found[1], made.device, made.at, tuple(made.values), made.message)


@dataclass(slots=True)
class _Parts:
    """What follows kind and rule."""

    device: str | None = None
    at: int | None = None
    message: str | None = None
    values: list[tuple[str, Number]] = field(default_factory=list)

    def take(self, rest: list[str], times: Times) -> int | str:
        """Read the next words; how many they were, or what is wrong with them."""
        word, (name, equals, text) = rest[0], rest[0].partition("=")
        if word in ("at", "saying") and len(rest) > 1:
            return self._pair(word, rest[1], times)
        if equals:
            number = read_number(text)
            if number is None:
                return f"`{word}`: an expected value is 81.5, 81.5±0.2, 'a text' or unknown"
            self.values.append((name.strip('"'), number[0]))
        elif self.device is None:
            self.device = word.strip("'\"")
        else:
            return f"`{word}` isn't understood; {EVENT_HELP}"
        return 1

    def _pair(self, word: str, said: str, times: Times) -> int | str:
        if word == "saying":
            self.message = said.strip("\"'")
            return 2
        self.at = times.read(said)
        return 2 if self.at is not None else f"`at {said}` is no time"


def matches(expected: Expected, got: Got, node: str) -> bool:
    """Whether an event is as expected."""
    return (
        (expected.kind, expected.rule) == (got.kind, got.rule)
        and expected.device in (None, f"{got.node}/{got.device}", got.device if got.node == node else None)
        and expected.at in (None, got.ts)
        and expected.message in (None, got.message)
        and all(name in got.values and allows(number, got.values[name]) for name, number in expected.values)
    )


def say(got: Got, step: Step, node: str) -> str:
    """An event as a line of the trace, without `=>`."""
    device = got.device if got.node == node else f"{got.node}/{got.device}"
    if " " in device or "#" in device:
        device = f"'{device}'"
    said = [f"{got.kind} {got.rule} {device} at {step.times.say(got.ts)}"]
    said += [f"{_name(name)}={say_value(value)}" for name, value in got.values.items()]
    return " ".join(said)


def _name(name: str) -> str:
    return f'"{name}"' if " " in name or "=" in name else name
