"""What a golden trace says, line by line. Times in ns UTC."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from holdfast.stream.traces.times import Times

Kind = Literal["raised", "cleared", "result"]
Number = tuple[float, float] | str | None
"""What a value may be: from, to (both included); a text; None = unknown."""


@dataclass(frozen=True, slots=True)
class Given:
    """One reading of a message. value: a text's own words; quality: `model.quality` byte."""

    metric: str
    value: float | str | bool
    quality: int


@dataclass(frozen=True, slots=True)
class Message:
    """A device's message. at: when it comes; ts: the time it bears."""

    at: int
    ts: int
    node: str
    device: str
    readings: tuple[Given, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it bears the time at which it comes."""
        return self.at == self.ts


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody says anything until then."""

    until: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The engine is stopped, and another goes on from its snapshot."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody has seen a rule's alert of a device."""

    at: int
    rule: str
    node: str
    device: str


Action = Message | Silence | Restart | Acknowledged


@dataclass(frozen=True, slots=True)
class Expected:
    """An event that a line must cause; what isn't said may be anything. text: as written, without `=>`."""

    line: int
    text: str
    kind: Kind
    rule: str
    device: str | None = None
    at: int | None = None
    values: tuple[tuple[str, Number], ...] = ()
    message: str | None = None


@dataclass(slots=True)
class Step:
    """A line of input, which may be several messages, and what is expected of it."""

    line: int
    text: str
    times: Times
    actions: tuple[Action, ...]
    expected: list[Expected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trace:
    """A golden trace. rules: files, as the trace names them; lines: its text."""

    path: Path
    rules: tuple[str, ...]
    node: str
    units: dict[str, str]
    steps: list[Step]
    lines: list[str]
