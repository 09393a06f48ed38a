"""The asking side: from results to questions, from answers to results. Pure: facts and the time in, obligations out.

    saw(rows)       features were handed out: kept for a while
    said(results)   a model answered: uncertain rows become answers from the cache, or questions
    answered(…)     the model above answered
    turn(now)       questions expire

Local results aren't held back: whoever has them published already gets the answer as one more result (How.PARENT).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.inference.hybrid.book import Book, Question
from holdfast.inference.hybrid.cache import AnswerCache, key_of
from holdfast.inference.hybrid.gate import uncertain
from holdfast.inference.hybrid.recent import Recent
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.inference.hybrid.trust import Phase, Trust
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.model.features import FeatureRows
from holdfast.model.lane import Lane
from holdfast.model.predictions import How, Predictions, Results
from holdfast.wire.hybrid import KIND, MOST_LABEL, MOST_VALUES, Answered, Said, Wanted, pack_values

Array = NDArray[Any]
MOST_AT_ONCE = 64
"""Uncertain rows of one batch that are looked at one by one."""


@dataclass(frozen=True, slots=True)
class ParentLabel:
    """What the model above said of a row that a local one was unsure of: something to learn from.

    label: empty = none (regression, anomaly); values: the row's features, shape (f,), None when it's gone
    by: `parent:<model>@<version>`
    """

    deployment: str
    node: str
    device: str
    ts: int
    label: str
    score: float
    confidence: float
    by: str
    said: Said
    values: Array | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What the shell owes, in this order."""

    store: tuple[Event, ...] = ()
    """1. Questions: commit them to lane 1; that delivers them."""
    tell: tuple[Results, ...] = ()
    """2. Answers as results, How.PARENT."""
    labels: tuple[ParentLabel, ...] = ()
    """3. The same as labels."""


@dataclass(slots=True)
class Counts:
    """Rows since the start. uncertain: each is one of cached … lost; asked: each is one of answered … expired, or open.

    shared: like one that is asked already; bounded: too many a minute; alone: nobody answers; lost: its features are
    gone, or too many to send; kept: they mustn't leave this node
    """

    uncertain: int = 0
    cached: int = 0
    asked: int = 0
    shared: int = 0
    bounded: int = 0
    alone: int = 0
    lost: int = 0
    kept: int = 0
    answered: int = 0
    refused: int = 0
    expired: int = 0
    late: int = 0


@dataclass(slots=True)
class Desk:
    """One deployment's state."""

    settings: HybridSettings
    cache: AnswerCache
    book: Book
    trust: Trust
    counts: Counts = field(default_factory=Counts)
    detail: str = ""


class Asking:
    """Of one node. Times: `now` CLOCK_MONOTONIC s, `wall_ns` ns UTC."""

    def __init__(self, node: str, settings: Mapping[str, HybridSettings], rng: Random) -> None:
        """settings: by deployment."""
        self._node, self._recent = node, Recent()
        self.desks = {
            name: Desk(one, AnswerCache(one.cache, one.cache_for), Book(one.per_minute), Trust(one.trip_after, rng))
            for name, one in settings.items()
        }

    def saw(self, rows: FeatureRows, now: float) -> None:
        """Features were handed out."""
        if rows.deployment in self.desks:
            self._recent.keep(rows, now)

    def said(self, results: Results, now: float, wall_ns: int) -> Turn:
        """A model answered. Vectorised but for the uncertain rows, of which MOST_AT_ONCE are looked at."""
        desk = self.desks.get(results.deployment)
        if desk is None:
            return Turn()
        doubtful = np.flatnonzero(uncertain(results, desk.settings))
        desk.counts.uncertain += len(doubtful)
        desk.counts.bounded += max(0, len(doubtful) - MOST_AT_ONCE)
        store, tell, labels = list[Event](), list[Results](), list[ParentLabel]()
        for at in doubtful[-MOST_AT_ONCE:]:  # the newest
            found = self._one(desk, results, int(at), now, wall_ns)
            if isinstance(found, Event):
                store.append(found)
            elif found is not None:
                tell.append(found[0])
                labels.append(found[1])
        return Turn(tuple(store), tuple(tell), tuple(labels))

    def forgot(self, event: Event) -> None:
        """A question of `said` that wasn't stored: what it's about mustn't leave this node, or there was no room."""
        desk = self.desks.get(event.rule.partition(":")[2])
        if desk is not None and desk.book.end(event.id) is not None:
            desk.trust.unasked()
            desk.counts.asked -= 1
            desk.counts.kept += 1

    def answered(self, answer: Answered, now: float) -> Turn:
        """The model above answered; also what an earlier life of this process asked."""
        desk = self.desks.get(answer.deployment)
        if desk is None:
            return Turn()
        question = desk.book.end(answer.id)
        if answer.failed:
            desk.counts.refused += question is not None
            desk.detail = answer.failed
            desk.trust.failed(now)
            return Turn()
        desk.trust.answered()
        desk.detail = ""
        if question is None:
            desk.counts.late += 1
        else:
            desk.counts.answered += 1
            desk.cache.put(question.key, answer, now)
        took_s = math.nan if question is None else now - question.asked
        said = Said() if question is None else question.said
        result, label = self._result(answer, took_s, said)
        return Turn(tell=(result,), labels=(label,))

    def turn(self, now: float) -> None:
        """Questions expire."""
        for desk in self.desks.values():
            for _ in desk.book.expire(now):
                desk.counts.expired += 1
                desk.detail = "no answer in time"
                desk.trust.failed(now)

    def is_alone(self, deployment: str) -> bool:
        """Does nobody answer?"""
        return self.desks[deployment].trust.phase is not Phase.CLOSED

    def _one(
        self, desk: Desk, results: Results, at: int, now: float, wall_ns: int
    ) -> Event | tuple[Results, ParentLabel] | None:
        node, device = results.places[results.key[at]]
        ts, settings, counts = int(results.ts[at]), desk.settings, desk.counts
        row = self._recent.find(results.deployment, (node, device), ts)
        if row is None or len(row[1]) > MOST_VALUES:
            counts.lost += 1
            return None
        features, values = row
        key, said = key_of(settings.model, features, values, settings.digits), _said(results, at)
        cached = desk.cache.get(key, now)
        if cached is not None:
            counts.cached += 1
            return self._result(msgspec.structs.replace(cached, node=node, device=device, ts=ts), 0.0, said)
        number = _number(node, results.deployment, device, ts, settings.model)
        if desk.book.waits_for(key) or desk.book.has(number):
            counts.shared += 1
        elif not desk.trust.may_ask(now):
            counts.alone += 1
        elif not desk.book.may_begin(now):
            counts.bounded += 1
        else:
            counts.asked += 1
            desk.trust.asked()
            until = now + settings.within
            desk.book.begin(Question(number, results.deployment, node, device, ts, key, said, now, until))
            return self._event(number, results.deployment, settings, (node, device, ts), row, said, wall_ns)
        return None

    def _event(
        self,
        number: str,
        deployment: str,
        settings: HybridSettings,
        place: tuple[str, str, int],
        row: tuple[str, Array],
        said: Said,
        wall_ns: int,
    ) -> Event:
        packed, kind = pack_values(row[1])
        until_ns = wall_ns + round(settings.within * NS_PER_S)
        wanted = Wanted(self._node, deployment, settings.model, row[0], packed, kind, until_ns, settings.within, said)
        node, device, ts = place
        return Event(
            id=number,
            ts=ts,
            lane=Lane.NORMAL,
            kind=KIND,
            severity="info",
            node=node,
            device=device,
            rule=f"hybrid:{deployment}",
            message=f"{deployment} is unsure of {device}, and asks {settings.model}",
            why={"wanted": msgspec.to_builtins(wanted)},
        )

    def _result(self, answer: Answered, took_s: float, said: Said) -> tuple[Results, ParentLabel]:
        score, confidence = _number_of(answer.score), _number_of(answer.confidence)
        one = Predictions(np.array([score]), np.array([answer.label], np.int32), np.array([confidence]))
        result = Results(
            deployment=answer.deployment,
            model=answer.model,
            version=answer.version,
            role="active",
            labels=answer.labels,
            places=[(answer.node, answer.device)],
            key=np.zeros(1, np.int32),
            ts=np.array([answer.ts], np.int64),
            predictions=one,
            how=np.full(1, How.PARENT, np.uint8),
            flags=np.zeros(1, np.uint8),
            took_s=answer.took_s,
            latency=np.array([took_s]),
        )
        word = answer.labels[answer.label] if answer.label >= 0 else ""
        place = answer.node, answer.device
        found = self._recent.find(answer.deployment, place, answer.ts)
        by = f"parent:{answer.model}@{answer.version}"
        values = None if found is None else found[1]
        label = ParentLabel(answer.deployment, *place, answer.ts, word, score, confidence, by, said, values)
        return result, label


def _said(results: Results, at: int) -> Said:
    said = results.predictions
    label = int(said.label[at])
    word = results.labels[label] if 0 <= label < len(results.labels) else ""
    return Said(results.model, results.version, word[:MOST_LABEL], _plain(said.score[at]), _plain(said.confidence[at]))


def _plain(value: Any) -> float | None:
    """JSON has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def _number_of(value: float | None) -> float:
    return math.nan if value is None else value


def _number(node: str, deployment: str, device: str, ts: int, model: str) -> str:
    facts = f"{node}\0{deployment}\0{device}\0{ts}\0{model}"
    return blake2b(facts.encode(), digest_size=16).hexdigest()
