"""The answering side: questions of nodes below become rows for the bigger model, its words go back down.

Questions are heard when they're on this node's disk. What waits in memory only is lost with the process; so the latest
are heard again at a start, and as an answer's id is made of its question's, nobody is answered twice.
"""

import asyncio
import math
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.hybrid.happenings import HybridUnanswerable
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.command import MAX_PARAMS
from holdfast.model.event import Event
from holdfast.model.predictions import Predictions
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.errors import WireError
from holdfast.wire.hybrid import (
    KIND,
    MOST_LABEL,
    MOST_LABELS,
    NAME,
    PLACE,
    Answered,
    Wanted,
    encode_answer,
    values_of,
    wanted_of,
)

Array = NDArray[Any]
MOST_WAITING = 512
_NUMBER = re.compile(r"[0-9a-f]{32}")
PER_CHILD = 128
"""Of these, by one child: one that asks much mustn't shut the others out."""
MOST_ROWS = 256
"""Scored at once."""
LEAST_S, MOST_S = 2.0, 600.0
"""How long an answer may be on its way, whatever the asking node's clock says."""
Why = Literal["malformed", "expired", "busy", "no_model", "failed", "unreachable"]


class Verdict(NamedTuple):
    """What a model said of rows. model, version, labels: whose words; took_s: for all rows together."""

    model: str
    version: str
    labels: Sequence[str]
    predictions: Predictions
    took_s: float


class Bigger(Protocol):
    """The models of this node, as those who ask from below see them."""

    async def score(self, model: str, features: str, values: Array) -> Verdict:
        """Score rows, shape (n, f), float64.

        Raises:
            HoldfastError: there's no such model, it takes other rows, or it can't now; the sentence goes down.
        """
        ...


class Reply(NamedTuple):
    """A command that carries an answer. via: the child that asked, or brought the question."""

    id: str
    node: str
    via: str
    place: str
    name: str
    params: bytes
    within_s: float


Send = Callable[[Reply], Awaitable[None]]
"""Have a reply go down, durably; raises HoldfastError when it can't."""


@dataclass(frozen=True, slots=True)
class _Asked:
    child: str
    event: Event
    wanted: Wanted
    values: Array
    until: float


class Answering:
    """Of one node. `run` is its only task's body; loop thread only."""

    def __init__(self, bigger: Bigger, send: Send, clock: Clock, telemetry: Telemetry, *, is_top: bool = True) -> None:
        """is_top: is there no node above that may have the model? Else what can't be answered here is its business."""
        self._bigger, self._send, self._clock, self._telemetry = bigger, send, clock, telemetry
        self._is_top = is_top
        self._waiting: deque[_Asked] = deque()
        self._by_child: Counter[str] = Counter()
        self._bell = asyncio.Event()
        self.answered = 0
        telemetry.gauge("hybrid_waiting", "Questions of nodes below that wait for a model.", lambda: len(self._waiting))
        telemetry.counter("hybrid_answers", "Questions of nodes below that were answered.", lambda: self.answered)

    def heard(self, child: str, events: Iterable[Event]) -> None:
        """A child's events, after their commit; others than questions are passed over."""
        for event in events:
            if event.kind == KIND:
                self._hear(child, event)

    async def run(self) -> None:
        """Answer, for ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                await self._some(self._next())

    def _hear(self, child: str, event: Event) -> None:
        try:
            wanted, values = _read(event)
        except WireError as error:
            self._unanswered("malformed", child, str(error))
            return
        left_s = min(wanted.within_s, (wanted.until_ns - self._clock.wall_ns()) / NS_PER_S)
        if left_s <= 0:
            self._unanswered("expired", child, wanted.deployment)
            return
        if len(self._waiting) >= MOST_WAITING or self._by_child[child] >= PER_CHILD:
            self._unanswered("busy", child, wanted.deployment)
            return
        until = self._clock.monotonic() + min(MOST_S, max(LEAST_S, left_s))
        self._waiting.append(_Asked(child, event, wanted, values, until))
        self._by_child[child] += 1
        self._bell.set()

    def _next(self) -> list[_Asked]:
        """Those that can be scored together with the first."""
        first, rest, some = self._waiting[0], deque[_Asked](), list[_Asked]()
        alike = first.wanted.model, first.wanted.features, len(first.values)
        for one in self._waiting:
            fits = (one.wanted.model, one.wanted.features, len(one.values)) == alike and len(some) < MOST_ROWS
            (some if fits else rest).append(one)
        self._waiting = rest
        for one in some:
            self._by_child[one.child] -= 1
        self._by_child += Counter()  # only who has some
        return some

    async def _some(self, asked: Sequence[_Asked]) -> None:
        now = self._clock.monotonic()
        in_time = [one for one in asked if one.until > now]
        for one in asked:
            if one.until <= now:
                self._unanswered("expired", one.child, one.wanted.deployment)
        if not in_time:
            return
        try:
            said = await self._said(in_time)
        except HoldfastError as error:
            await self._refuse(in_time, "no_model", str(error))
        except Exception as bug:  # noqa: BLE001  # whatever a model does, this node goes on
            await self._refuse(in_time, "failed", f"unexpected: {bug!r}")
        else:
            for at, one in enumerate(in_time):
                await self._down(one, _answer(one, said, at))

    async def _said(self, asked: Sequence[_Asked]) -> Verdict:
        wanted, values = asked[0].wanted, np.stack([one.values for one in asked])
        said = await self._bigger.score(wanted.model, wanted.features, values)
        if len(said.predictions) != len(asked):
            raise HoldfastError(f"{wanted.model} said {len(said.predictions)} things of {len(asked)} rows")
        return said

    async def _refuse(self, asked: Sequence[_Asked], why: Why, detail: str) -> None:
        for one in asked:
            self._unanswered(why, one.child, detail)
            if self._is_top:
                await self._down(one, _blank(one, detail[:200]))

    async def _down(self, one: _Asked, answer: Answered) -> None:
        left_s = one.until - self._clock.monotonic()
        if left_s <= 0:
            self._unanswered("expired", one.child, one.wanted.deployment)
            return
        wanted, params = one.wanted, encode_answer(answer)
        if len(params) > MAX_PARAMS:
            params = encode_answer(_blank(one, f"{answer.model}: its labels are too long for an answer"))
        place = f"{PLACE}{wanted.deployment}"
        reply = Reply(f"hy-{one.event.id}", wanted.asker, one.child, place, NAME, params, left_s)
        try:
            await self._send(reply)
        except HoldfastError as error:
            self._unanswered("unreachable", one.child, str(error))
        else:
            self.answered += not answer.failed

    def _unanswered(self, why: Why, child: str, detail: str) -> None:
        self._telemetry.emit(HybridUnanswerable(why=why, child=child, detail=detail[:200]))


def _read(event: Event) -> tuple[Wanted, Array]:
    """A question. What its answer is made of must fit a command, or a child couldn't read any that wait for it.

    Raises:
        WireError: it makes no sense.
    """
    wanted = wanted_of(event.why)
    if wanted is None or not _NUMBER.fullmatch(event.id) or not wanted.deployment.isprintable():
        raise WireError("this version can't tell what it asks")
    return wanted, values_of(wanted)


def _blank(one: _Asked, failed: str = "") -> Answered:
    event = one.event
    return Answered(event.id, one.wanted.deployment, event.node, event.device, event.ts, failed=failed)


def _answer(one: _Asked, said: Verdict, at: int) -> Answered:
    predictions, event = said.predictions, one.event
    label, labels = int(predictions.label[at]), tuple(word[:MOST_LABEL] for word in said.labels[:MOST_LABELS])
    return Answered(
        event.id,
        one.wanted.deployment,
        event.node,
        event.device,
        event.ts,
        said.model[:200],
        said.version[:200],
        labels,
        label if 0 <= label < len(labels) else -1,
        _finite(predictions.score[at]),
        _finite(predictions.confidence[at]),
        said.took_s,
    )


def _finite(value: Any) -> float | None:
    """JSON has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None
