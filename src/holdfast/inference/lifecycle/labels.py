"""What people know: a device was in this state in that time. Joined with predictions by device and time."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.inference.lifecycle.errors import LabelInvalid
from holdfast.inference.lifecycle.pairing import Answers
from holdfast.kernel.clock import NS_PER_S

Array = NDArray[Any]
Source = Literal["operator", "alert", "parent", "imported"]
_COLUMNS = ("_seat", "_ts", "_version", "_label", "_score", "_joined", "_round")
LONGEST_NS = 31 * 86_400 * NS_PER_S
AHEAD = 1_000
"""Labels remembered for rows that come after them."""
NOT = "!"
"""Before a class: anything but this one (an alert that was rejected)."""


class Label(Struct, frozen=True, kw_only=True):
    """A device's true state from start_ns to end_ns, both inside.

    deployment: whose classes they are
    label:      a class of the card's, `!class` for anything but it, or a number (regression)
    source:     who knows: an operator, an operator about an alert, the parent's bigger model, a file
    id:         given when it's stored; 0 = not yet
    alert:      the alert that it's about; 0 = none
    """

    deployment: str
    device: str
    start_ns: int
    end_ns: int
    label: str
    node: str = ""
    by: str = ""
    source: Source = "operator"
    comment: str = ""
    made_ns: int = 0
    id: int = 0
    alert: int = 0


def require(label: Label, names: Sequence[str]) -> Label:
    """The label as it may be stored.

    Raises:
        LabelInvalid: when it can't be joined with anything.
    """
    if not label.device or len(label.device) > 256:
        raise LabelInvalid("a label needs a device", "as in device=room-1")
    if not 0 < label.start_ns <= label.end_ns:
        raise LabelInvalid("a label's end is before its start", "start and end are times; the same one is allowed")
    if label.end_ns - label.start_ns > LONGEST_NS:
        raise LabelInvalid("a label is longer than 31 days", "give several")
    if len(label.comment) > 1_000 or len(label.label) > 200:
        raise LabelInvalid("a label's text is too long", "at most 200 characters, a comment 1,000")
    value_of(label.label, names)
    return label


def value_of(text: str, names: Sequence[str]) -> float:
    """A label as a number: the class's index, its negative less one for `!class`, or the value itself.

    Raises:
        LabelInvalid: when the model can't say that.
    """
    if not names:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise LabelInvalid(f"{text[:80]!r} is no number", "the model predicts numbers, and so are its labels")
        return value
    plain = text.removeprefix(NOT)
    if plain not in names:
        raise LabelInvalid(f"{text[:80]!r} is no class of this model", f"one of {', '.join(names)}, or !one of them")
    return float(-names.index(plain) - 2 if text.startswith(NOT) else names.index(plain))


def errors_of(answers: Answers, value: float, names: Sequence[str]) -> Array:
    """How wrong each answer is: 0 or 1 of a class, the distance of a number; NaN = it said none. Shape (n,)."""
    if not names:
        return np.abs(answers.score - value)
    wrong = answers.label == -value - 2 if value < -1 else answers.label != value
    return np.where(answers.label >= 0, wrong.astype(float), np.nan)


def of_alert(said: str, names: Sequence[str], *, confirmed: bool) -> str:
    """The label that an operator's confirm or reject of an alert amounts to. said: the class it was raised for.

    Of two classes a rejection means the other one, of more anything but it.
    """
    said = said if said in names or not names else names[-1]
    if confirmed:
        return said
    return names[1 - list(names).index(said)] if len(names) == 2 else f"{NOT}{said}"


class Recent:
    """The newest predictions by version, so that labels that come late find theirs. A ring; vectorised."""

    def __init__(self, rows: int) -> None:
        self._rows, self._at, self.held = rows, 0, 0
        size = min(rows, 1_024)
        self._seat, self._ts = np.full(size, -1, np.int32), np.zeros(size, np.int64)
        self._version, self._label = np.zeros(size, np.int16), np.full(size, -1, np.int16)
        self._score, self._joined = np.zeros(size, np.float32), np.zeros(size, bool)
        self._round = np.zeros(size, np.int32)
        self.now = 0
        self._names: list[str] = []

    def add(self, version: str, answers: Answers) -> None:
        """What a version said."""
        if version not in self._names:
            self._names.append(version)
        answers = answers if len(answers) <= self._rows else answers.take(np.arange(-self._rows, 0))
        self._widen(self._at + len(answers))
        at = (self._at + np.arange(len(answers))) % self._rows
        self._seat[at], self._ts[at], self._score[at] = answers.seat, answers.ts, answers.score
        self._label[at], self._joined[at], self._round[at] = answers.label, False, self.now
        self._version[at] = self._names.index(version)
        self._at = (self._at + len(answers)) % self._rows
        self.held = min(self._rows, self.held + len(answers))

    def _widen(self, rows: int) -> None:
        size = len(self._ts)
        if rows <= size or size == self._rows:
            return
        more = min(self._rows, max(rows, 2 * size)) - size
        for name in _COLUMNS:
            setattr(self, name, np.pad(getattr(self, name), (0, more)))
        self._seat[size:] = -1

    def next_round(self) -> None:
        """What was added before this and the former round may be joined: both sides of a pair had time to come."""
        self.now += 1

    @property
    def ripe(self) -> int:
        """Rounds before this one may be joined."""
        return self.now - 1

    def of(self, seat: int, start_ns: int, end_ns: int) -> list[tuple[str, Answers]]:
        """What each version said of a device in a time, each answer once and never again."""
        hit = (self._seat == seat) & (self._ts >= start_ns) & (self._ts <= end_ns) & ~self._joined
        hit &= self._round < self.ripe
        at = np.flatnonzero(hit)
        self._joined[at] = True
        nothing = np.zeros(len(at))
        found = Answers(
            self._seat[at], self._ts[at], self._score[at].astype(np.float64), self._label[at].astype(np.int32), nothing,
            nothing > 0,
        )  # fmt: skip
        versions = self._version[at]
        return [(self._names[one], found.take(versions == one)) for one in np.unique(versions).tolist()]

    @property
    def bytes(self) -> int:
        """Of memory."""
        return int(sum(getattr(self, one).nbytes for one in _COLUMNS))


class Ahead:
    """Labels whose time isn't over, or whose rows haven't come: the newest ones, by seat."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, int, float]] = []

    def add(self, seat: int, start_ns: int, end_ns: int, value: float) -> None:
        """One more; the oldest goes when there are too many."""
        self._held = [*self._held[-AHEAD + 1 :], (seat, start_ns, end_ns, value)]

    def spans(self, seats: Array, first_ns: int, last_ns: int) -> Sequence[tuple[int, int, int, float]]:
        """Those that might be about rows of these seats and times."""
        there = set(np.unique(seats).tolist()) if self._held else set[int]()
        return [one for one in self._held if one[0] in there and one[2] >= first_ns and one[1] <= last_ns]
