"""From a micro-batch of arrivals to what the journal owes: decode, drop repeats, decide. Synchronous, in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoded, Decoder
from holdfast.codecs.reject import Rejection, RejectReason
from holdfast.codecs.replies import Reply
from holdfast.intake.seen import SeenKeys
from holdfast.intake.skew import SkewTable
from holdfast.intake.throttling import Throttle
from holdfast.intake.tracing import Course, begin
from holdfast.intake.uplinks import originals, run_of
from holdfast.journal import alert_labels
from holdfast.journal.commanded import Stored
from holdfast.journal.records import QuarantineRow
from holdfast.journal.transaction import Transaction
from holdfast.kernel.trust import NO_DOUBT, Doubt
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.features import FeatureRows
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.judges import Findings
from holdfast.stream.steps import Acknowledged, ClockSet, Elsewhere, Fed, Labelled, Step, Ticked
from holdfast.telemetry.spans import Tracer


class Watcher(Protocol):
    """Who counts the devices' messages: `devices.service.DeviceService`."""

    def offer(self, decoded: Decoded, fresh: NDArray[np.bool_], runs: Sequence[tuple[int, int]]) -> None:
        """Take a batch: which messages are no repeats, and (messages, time of receipt in ns UTC) of each run."""
        ...

    def heard(self, devices: NDArray[np.int32], runs: Sequence[Arrival]) -> None:
        """Take where they came from: `Decoded.device`, and the runs."""
        ...


@dataclass(slots=True)
class Prepared:
    """One micro-batch, decided and ready to be committed.

    derived:   readings that rules made
    published: rules' results for local subscribers: (topic, payload)
    also:      further writes of its commit
    steps:     what the rule engine was told (G7)
    moved:     has the engine changed, though there's nothing to tell of it?
    course:    what is traced of it; None = nothing
    features:  rows for models that came of readings just now, never of those that are read again
    since:     when the first of its arrivals came, CLOCK_MONOTONIC
    """

    arrivals: list[Arrival]
    batch: Batch
    decisions: list[Decision]
    keys: NDArray[np.uint64]
    quarantine: list[QuarantineRow] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    commands: list[Stored] = field(default_factory=list)
    replies: list[tuple[Arrival, Reply]] = field(default_factory=list)
    derived: list[Batch] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    also: list[Callable[[Transaction], None]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    moved: bool = False
    course: Course | None = None
    features: list[FeatureRows] = field(default_factory=list)
    since: float | None = None

    @property
    def is_quiet(self) -> bool:
        """Is there nothing in it that must be stored soon?"""
        return not (self.arrivals or self.decisions or self.derived or self.published or self.counts or self.also)


class Preparer:
    """Decoder, memory of message ids and rule engine, applied in that order."""

    def __init__(
        self,
        decoder: Decoder,
        seen: SeenKeys,
        engine: Engine,
        doubt: Callable[[], Doubt] = lambda: NO_DOUBT,
        skew: SkewTable | None = None,
        watcher: Watcher | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """Take the parts.

        doubt:   which stamps of arrivals are doubtful now
        skew:    learns the devices' clocks while ours is set
        watcher: counts the devices' messages
        tracer:  None = nothing is traced
        """
        self.tracer = tracer
        self._decoder = decoder
        self._seen = seen
        self._engine = engine
        self._throttle = Throttle(engine, engine.node)
        self._doubt = doubt
        self._skew = skew
        self._watcher = watcher

    def prepare(self, arrivals: list[Arrival]) -> Prepared:
        """Decode, dedupe and decide one micro-batch."""
        if self.tracer is None:
            return self._prepare(arrivals)[0]
        began = self.tracer.now()
        prepared, message, decoded_ns = self._prepare(arrivals)
        prepared.course = begin(self.tracer, self._engine, prepared, message, (began, decoded_ns))
        return prepared

    def _prepare(self, arrivals: list[Arrival]) -> tuple[Prepared, NDArray[np.int32], int]:
        """The micro-batch; which message each of its rows came from; when it was decoded, where that is traced."""
        doubt = self._doubt()
        decoded = self._decoder.decode(list(map(run_of, arrivals)), doubt)
        decoded_ns = 0 if self.tracer is None else self.tracer.now()
        if self._skew is not None and not doubt.unset_before:
            self._skew.offer(decoded)
        fresh = self._fresh(decoded)
        if self._watcher is not None:
            self._watcher.offer(decoded, fresh, [(len(a.payloads), a.received_ns) for a in arrivals])
            self._watcher.heard(decoded.device, arrivals)
        repeats = len(fresh) - int(np.count_nonzero(fresh))
        batch, message = decoded.batch, decoded.message
        if repeats:
            _tell_repeats(arrivals, fresh)
            kept = fresh[message]
            batch, message = batch.take(kept), message[kept]
        keys = decoded.keys[fresh] if repeats else decoded.keys
        prepared = Prepared(arrivals, batch, [], keys if np.count_nonzero(keys) == len(keys) else keys[keys != 0])
        if self._engine.lines:
            now_ns = arrivals[-1].received_ns if arrivals else 0
            findings = self._engine.evaluate(batch, now_ns)
            made, prepared.features = self._take(findings, prepared), findings.features
            if len(batch):
                prepared.steps.append(Fed(now_ns, len(batch), made))
        self._account(prepared, decoded, repeats)
        return prepared, message, decoded_ns

    def made(self, batch: Batch, now_ns: int) -> Prepared:
        """Readings that models made."""
        prepared = _nothing()
        prepared.batch = batch
        if self._engine.lines:
            findings = self._engine.evaluate(batch, now_ns)
            made, prepared.features = self._take(findings, prepared), findings.features
            prepared.steps = [Fed(now_ns, len(batch), made)]
        prepared.counts["readings_accepted"] += len(batch)
        prepared.counts["readings_inferred"] += len(batch)
        return _counted(prepared)

    def tick(self, now_ns: int) -> Prepared:
        """What time alone decides: windows that ended with no later sample, timers; budgets that are used up."""
        prepared = _nothing()
        if not self._engine.lines:
            return prepared
        said = list[Decision]()
        steps = self._throttle.look(now_ns, said)
        findings = self._engine.tick(now_ns)
        made, prepared.features = self._take(findings, prepared), findings.features
        prepared.steps = [*steps, Ticked(now_ns, made)]
        prepared.moved = findings.moved or bool(steps)
        prepared.decisions += said
        return _counted(prepared)

    def acknowledge(self, rule: str, place: tuple[str, str, str], now_ns: int) -> Prepared:
        """Somebody has seen a rule's alert. place: node, device, metric."""
        prepared, (node, device, metric) = _nothing(), place
        findings = self._engine.acknowledge(rule, node, device, now_ns, metric)
        made = self._take(findings, prepared)
        prepared.steps, prepared.moved = [Acknowledged(now_ns, rule, node, device, made, metric)], findings.moved
        return _counted(prepared)

    def label(self, one: alert_labels.Labelled) -> Prepared:
        """Somebody said what a detector's alert was worth."""
        prepared, step = _nothing(), Labelled(one.raised.rule, one.place, one.label, one.known or None)
        self._engine.label(step.rule, step.place, step.label, step.instead)
        prepared.steps, prepared.moved = [step], True
        prepared.also.append(alert_labels.settling(one))
        return prepared

    def clock_set(self, offset_ns: int, from_ns: int, to_ns: int) -> Prepared:
        """The node's clock jumped by so much; see `Engine.clock_set`."""
        prepared = _nothing()
        self._engine.clock_set(offset_ns, from_ns, to_ns)
        prepared.steps, prepared.moved = [ClockSet(offset_ns, from_ns, to_ns)], True
        return prepared

    def found(self, findings: Findings) -> Prepared:
        """What was found elsewhere than in a batch, without a step to say of it: a checkpoint goes with it."""
        prepared = _nothing()
        self._take(findings, prepared)
        return _counted(prepared)

    def elsewhere(self, findings: Findings) -> Prepared:
        """What the rules over children's readings found."""
        prepared = _nothing()
        made, prepared.features = self._take(findings, prepared), findings.features
        if made:
            prepared.steps = [Elsewhere(made)]
        return _counted(prepared)

    def _take(self, findings: Findings, prepared: Prepared) -> int:
        """What the rules found becomes part of the micro-batch; how many readings they made."""
        prepared.decisions = self._once(findings.decisions, prepared)
        prepared.derived, prepared.published = findings.derived, findings.published
        prepared.counts += findings.counts
        made = sum(map(len, findings.derived))
        if made:
            prepared.counts["readings_accepted"] += made
            prepared.counts["readings_derived"] += made
        return made

    def _fresh(self, decoded: Decoded) -> NDArray[np.bool_]:
        """Which messages are not repeats of an earlier one, shape (messages,)."""
        keys = decoded.keys
        for rejection in decoded.rejected:
            keys[rejection.message] = 0  # a rejected message must not make its good resend look like a repeat
        return self._seen.admit(keys)

    def _once(self, decisions: list[Decision], prepared: Prepared) -> list[Decision]:
        """Only events not seen before: their ids are deterministic, so a replayed decision repeats nothing (G7)."""
        if not decisions:
            return decisions
        keys = np.array([event_key(d.event) for d in decisions], np.uint64)
        fresh = self._seen.admit(keys)
        prepared.keys = np.concatenate([prepared.keys, keys[fresh]])
        return [d for d, is_new in zip(decisions, fresh, strict=True) if is_new]

    def _account(self, prepared: Prepared, decoded: Decoded, repeats: int) -> None:
        messages = len(decoded.keys)
        counts = prepared.counts
        counts["messages_received"] = messages
        counts["messages_accepted"] = messages - len(decoded.rejected) - repeats
        counts["readings_accepted"] += len(prepared.batch)  # beside what rules made of them
        counts["events_accepted"] = len(prepared.decisions)
        counts["payload_bytes"] = decoded.payload_bytes
        if repeats:
            counts[f"messages_rejected.{RejectReason.DUPLICATE}"] += repeats
        for rejection in decoded.rejected:
            counts[f"messages_rejected.{rejection.reason}"] += 1
        for why, number in decoded.skipped.items():
            counts[f"payload_parts_skipped.{why}"] += number
        prepared.quarantine = _quarantine(prepared.arrivals, decoded.rejected)
        prepared.replies = _replies(prepared.arrivals, decoded.replies)
        prepared.retained = {a.topic: bytes(originals(a)[-1]) for a in prepared.arrivals if a.retain}


def _nothing() -> Prepared:
    return Prepared([], Batch.empty(), [], np.empty(0, np.uint64))


def _counted(prepared: Prepared) -> Prepared:
    if prepared.decisions:
        prepared.counts["events_accepted"] += len(prepared.decisions)
    return prepared


def event_key(event: Event) -> int:
    """The dedupe key of an event: the first 64 bits of its id."""
    return int(event.id[:16], 16) or 1


def _quarantine(arrivals: Sequence[Arrival], rejected: Sequence[Rejection]) -> list[QuarantineRow]:
    if not rejected:
        return []
    starts = _starts(arrivals)
    rows = []
    for rejection in rejected:
        run = _run_at(starts, rejection.message)
        arrival = arrivals[run]
        place = rejection.message - int(starts[run])
        payload = bytes(originals(arrival)[place])
        if arrival.verdicts is not None:
            arrival.verdicts.refused(place, rejection.reason, rejection.detail)
        rows.append(
            QuarantineRow(
                0, arrival.received_ns, arrival.source, arrival.topic, rejection.reason, rejection.detail, payload
            )
        )
    return rows


def _tell_repeats(arrivals: Sequence[Arrival], fresh: NDArray[np.bool_]) -> None:
    first = 0
    for arrival in arrivals:
        end = first + len(arrival.payloads)
        if arrival.verdicts is not None and not fresh[first:end].all():
            arrival.verdicts.repeated(end - first - int(np.count_nonzero(fresh[first:end])))
        first = end


def _replies(arrivals: Sequence[Arrival], replies: Sequence[Reply]) -> list[tuple[Arrival, Reply]]:
    if not replies:
        return []
    starts = _starts(arrivals)
    return [(arrivals[_run_at(starts, reply.message)], reply) for reply in replies]


def _starts(arrivals: Sequence[Arrival]) -> NDArray[np.int64]:
    """The number of each arrival's first message, and of the one behind the last."""
    return np.cumsum([0, *(len(a.payloads) for a in arrivals)])


def _run_at(starts: NDArray[np.int64], message: int) -> int:
    return int(np.searchsorted(starts, message, side="right")) - 1
