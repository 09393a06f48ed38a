"""Events with their why: what a rule saw when it decided, in JSON values only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from holdfast.model.event import Event, EventKind
from holdfast.stream.alarms.ports import Cause, Transition
from holdfast.stream.detecting import Labelled, Watch
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.language.orders import Ordered
from holdfast.stream.language.templates import topic
from holdfast.stream.rules import PAYLOAD_FACTS, Action, CompiledRule


@dataclass(frozen=True, slots=True)
class Decision:
    """An event and the commands it sends; the local topics it goes to at once: (topic, payload), None = itself."""

    event: Event
    publish: tuple[tuple[str, bytes | None], ...]
    commands: tuple[Ordered, ...] = ()


Shown = Mapping[str, float | str | None]
"""Selected columns by name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rule saw at one evaluation.

    ts:     when it was decided, event time
    inputs: per metric the last samples of the window, as (times, values)
    late:   rows too late for their window since the device's last event; None where no row can be late
    start:  where the window begins; None where windows aren't cut by time
    """

    ts: int
    values: Shown
    inputs: Mapping[str, tuple[list[int], list[Any]]]
    skipped_bad: int
    late: int | None
    start: int | None = None
    revision: int | None = None
    metric: str = ""
    """Of the series, in rules by series."""
    labelled: Labelled | None = None
    """How the series stands, in rules with a detector."""


def event_id(
    rule: CompiledRule, node: str, device: str, kind: EventKind, ts: int, revision: int | None = None, metric: str = ""
) -> str:
    """The same decision on the same rows has the same id, whenever and wherever it is made (G7)."""
    again = ((str(revision),) if revision else ()) + (("series", metric) if metric else ())
    facts = "\0".join((rule.name, rule.part, rule.version, node, device, kind, str(ts), *again))
    return blake2b(facts.encode(), digest_size=16).hexdigest()


def decide(rule: CompiledRule, device: tuple[str, str], transition: Transition, seen: Seen, judge: str) -> Decision:
    """The decision that a device's transition is; `judge` is the node that decided."""
    node, name = device
    kind = transition.kind
    values = {k: _json(v) for k, v in seen.values.items()}
    facts: dict[str, object] = {"device": name, "node": node, "rule": rule.name, "severity": rule.severity}
    if seen.metric:
        facts["metric"] = seen.metric
    explanation = "" if rule.watch is None else rule.watch.explain(values)
    event = Event(
        id=event_id(rule, node, name, kind, seen.ts, seen.revision, seen.metric),
        ts=seen.ts,
        lane=rule.lane,
        kind=kind,
        severity=rule.severity,
        node=node,
        device=name,
        rule=rule.name,
        message=_message(rule, kind, {**values, **facts, "explanation": explanation}, values),
        why=_why(rule, transition, seen, values, judge, explanation),
    )
    notices = ((topic(a.topic, facts), _payload(a.payload, event, values)) for a in rule.actions if kind in a.kinds)
    made = (order.made(event, place, {**values, **facts}) for place, order in enumerate(rule.orders))
    return Decision(event, tuple(notices), tuple(one for one in made if one is not None))


_OWN_WAY = frozenset({"ts_ms", "ts_s", "metric"})


def _payload(wanted: Mapping[str, str], event: Event, values: Shown) -> bytes | None:
    if not wanted:
        return None
    known = {**values, **{name: getattr(event, name) for name in PAYLOAD_FACTS if name not in _OWN_WAY}}
    if event.metric:
        known["metric"] = event.metric
    known |= {"ts_ms": event.ts // 1_000_000, "ts_s": event.ts / 1e9}
    return msgspec.json.encode({member: known[fact] for member, fact in wanted.items()})


def _message(rule: CompiledRule, kind: EventKind, known: Mapping[str, object], values: Mapping[str, object]) -> str:
    text = _own_words(rule, kind, known, values) if rule.message is None else rule.message.render(known)
    return text if kind == "alert.raised" else f"cleared: {text}"


def _own_words(rule: CompiledRule, kind: EventKind, known: Mapping[str, object], values: Mapping[str, object]) -> str:
    """The engine's sentence: the condition, or what a detector says."""
    who = f"{known['device']} {known['metric']}" if "metric" in known else str(known["device"])
    if rule.watch is not None:
        explained = known["explanation"] or f"score = {values['score']}"
        return f"{who}: {explained}" if kind == "alert.raised" else f"{who} is as usual again"
    said = ", ".join(_said(k, v) for k, v in values.items())
    return f"{who}: {rule.when_text} ({said})"


def _said(name: str, value: object) -> str:
    if value is None:
        return f"{name} is unknown"
    return f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"


def _why(
    rule: CompiledRule, transition: Transition, seen: Seen, values: Shown, judge: str, explanation: str
) -> dict[str, object]:
    condition = rule.when_text if transition.kind == "alert.raised" else rule.clear_text
    window: dict[str, Any] = {"text": rule.stage.window.text}
    if seen.start is not None:
        window |= {"from": seen.start, "to": seen.ts}
    if seen.revision is not None:
        window["revision"] = seen.revision
    why: dict[str, object] = {
        "rule_version": rule.version,
        "decided_on": judge,
        "condition": condition,
        "values": dict(values),
        "window": window,
        "inputs": {
            metric: {"ts": ts, "values": [_json(n) for n in numbers]} for metric, (ts, numbers) in seen.inputs.items()
        },
        "held_samples": transition.held,
        "since": transition.since,
        "skipped_bad": seen.skipped_bad,
    }
    if seen.late is not None:
        why["late"] = seen.late
    if seen.metric:
        why["metric"] = seen.metric
    if rule.watch is not None and seen.labelled is not None:
        why |= _of_detector(rule.watch, seen.labelled, explanation)
        why["condition"] = f"score {'>=' if transition.kind == 'alert.raised' else '<'} {seen.labelled.threshold:g}"
    because = _because(rule, transition.cause)
    if because:
        why["because"] = because
    return why


def _of_detector(watch: Watch, labelled: Labelled, explanation: str) -> dict[str, object]:
    """Which detector it was with which options, and where this series' threshold is."""
    detector = {"name": watch.detector, "options": dict(watch.options), "threshold": labelled.threshold}
    if labelled.confirmed or labelled.rejected:
        detector |= {"confirmed": labelled.confirmed, "rejected": labelled.rejected}
    return {"explanation": explanation, "detector": detector}


def _because(rule: CompiledRule, cause: Cause) -> str:
    """Why now, where it isn't the evaluation alone that decided."""
    spec = rule.alarm
    said = {
        "held": f"held for {spoken(spec.hold_ns)}",
        "cooled": f"held still when the cooldown of {spoken(spec.cooldown)} was over",
        "ended": f"had ended for {spoken(spec.clear_ns)}",
        "silent": f"no message for {spoken(spec.hold_ns)}",
        "spoke": "a message came",
        "followed": f"`{rule.then_text}` held within {spoken(spec.within)}",
        "missed": f"`{rule.then_text}` didn't hold within {spoken(spec.within)}",
        "acknowledged": "acknowledged",
    }
    return said.get(cause, "")


_UNITS = (("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000))


def spoken(ns: int) -> str:
    """A duration as people write it in rules."""
    for unit, size in _UNITS:
        if ns >= size and ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns / 1e6:g}ms"


def _json(value: float | str | None) -> float | str | None:
    return value if not isinstance(value, float) or math.isfinite(value) else None


def announce(
    rule: CompiledRule,
    place: tuple[str, str, str],
    evaluations: Evaluations,
    at: int,
    shown: Shown,
    actions: list[Action],
) -> list[tuple[str, bytes]]:
    """The messages of a result: of evaluation `at`, of a key at `place` (node, device, metric)."""
    node, name, metric = place
    ts = int(evaluations.ts[at])
    values = {k: _json(v) for k, v in shown.items()}
    facts: dict[str, object] = {"device": name, "node": node, "rule": rule.name, "severity": rule.severity}
    known: dict[str, object] = {**values, **facts, "ts": ts, "ts_ms": ts // 1_000_000, "ts_s": ts / 1e9}
    whole: dict[str, object] = {"rule": rule.name, "node": node, "device": name, "ts": ts}
    if evaluations.start is not None:
        whole["from"] = known["from"] = int(evaluations.start[at])
    if evaluations.revision is not None and evaluations.final is not None:
        whole |= {"revision": int(evaluations.revision[at]), "final": bool(evaluations.final[at])}
    if metric:
        whole["metric"] = known["metric"] = facts["metric"] = metric
    whole["values"] = values
    return [
        (topic(a.topic, facts), msgspec.json.encode({m: known.get(f) for m, f in a.payload.items()} or whole))
        for a in actions
    ]
