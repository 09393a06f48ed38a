"""`holdfast rules explain`: a rule in plain words, how it stands for a device, and why an event came."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import typer

from holdfast.backtesting.accounts import sought
from holdfast.backtesting.readings import Readings
from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.tables import moment
from holdfast.cli.tables import value as shown_value
from holdfast.cli.watched import watched
from holdfast.cli.which_past import Wanted, past
from holdfast.cli.words import lasting, many, plain, table
from holdfast.history.events import latest_everywhere
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.event import Event
from holdfast.stream.describing import explained
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Judge
from holdfast.stream.replaying import Replay
from holdfast.stream.rules import CompiledRule
from holdfast.stream.watching import look_on, shown, slots_of

EVENTS = 1_000
"""As many as the API gives at once."""
_NEVER = 1 << 62
_LEAST_NS, _MOST_NS = 3600 * NS_PER_S, 32 * 86_400 * NS_PER_S


class Standing(msgspec.Struct, frozen=True):
    """How a rule stands for a device. Times ns UTC.

    part: which of its windows, "" for a rule with one
    held: evaluations in a row for which its condition has held
    """

    part: str
    node: str
    device: str
    ts: int | None
    values: dict[str, Any]
    raised: bool
    held: int
    since: int | None
    due: int | None
    window: dict[str, tuple[list[int], list[float]]]


def explain(rule: CompiledRule, text: Mapping[str, object]) -> list[str]:
    """The rule in plain words. text: as YAML has it."""
    rows = [[name, plain(words)] for name, words in explained(rule, text)]
    return [f"{rule.name}{'/' + rule.part if rule.part else ''} ({rule.severity})", *("  " + t for t in table(rows))]


def lookback(rule: CompiledRule) -> int:
    """How much of the past decides how a rule stands, ns: twice its longest window and timer, an hour at least."""
    w, alarm = rule.stage.window, rule.alarm
    calendar = {"": 0, "hour": 1, "day": 25, "week": 24 * 8, "month": 24 * 31, "year": 24 * 366}[w.unit]
    span = max(w.width, w.behind + w.ahead, w.gap, w.most, alarm.hold_ns, alarm.within, calendar * 3600 * NS_PER_S)
    return min(max(2 * span, _LEAST_NS), _MOST_NS)


class Standings:
    """Runs a rule over the readings before a moment, and says how it stands then."""

    def __init__(self, rules: Sequence[CompiledRule], name: str, readings: Readings) -> None:
        self._replay = Replay(rules, readings.catalogue, readings.node, readings.from_ns, readings.to_ns)
        self._name, self._readings = name, readings
        self._last: dict[tuple[str, int], tuple[int, dict[str, Any], dict[str, Any]]] = {}
        look_on(self._replay.engine, self._take, lambda rule: rule.name == name)

    def at_end(self, device: str) -> list[Standing]:
        """By device; all of them for no name."""
        for batch in self._readings.batches:
            self._replay.feed(batch)
        if self._replay.account.readings:
            self._replay.engine.tick(self._readings.to_ns)
        found = []
        for judge in self._replay.engine.judges():
            keys = range(len(judge.stage.route.keys)) if judge.rule.name == self._name else ()
            for slot in keys:
                place = judge.place(slot)
                if not device or device in (place[1], "/".join(place)):
                    found.append(self._standing(judge, slot, *place))
        return found

    def _take(self, judge: Judge, evaluations: Evaluations, selected: list[Any]) -> None:
        at, slots = slots_of(evaluations, judge)
        if not len(at):
            return
        ends = np.flatnonzero(np.append(slots[1:] != slots[:-1], True))
        columns = shown(judge, selected, at[ends], len(evaluations.row), self._replay.engine)
        own = [(i, one.metric) for i, one in enumerate(judge.rule.stage.inputs) if one.kind == "own"]
        for i, end in enumerate(ends.tolist()):
            e = int(at[end])
            samples = {metric: evaluations.evidence.samples(e, column) for column, metric in own}
            values = dict(zip(judge.rule.names, (column[i] for column in columns), strict=True))
            self._last[judge.rule.part, int(slots[end])] = int(evaluations.ts[e]), values, samples

    def _standing(self, judge: Judge, slot: int, node: str, device: str) -> Standing:
        ts, values, window = self._last.get((judge.rule.part, slot), (None, {}, {}))
        judge.state.grow(len(judge.stage.route.keys))
        kept = {
            name: array[slot] for name, array in judge.state.export(judge.state.capacity).items() if array.ndim == 1
        }
        raised = judge.alarm is not None and bool(np.isin(slot, judge.alarm.raised()))
        since, due = (_moment(kept.get(name)) for name in ("alarm.since", "alarm.due"))
        return Standing(
            judge.rule.part, node, device, ts, values, raised, int(kept.get("alarm.held", 0)), since, due, window
        )


def _moment(kept: Any) -> int | None:
    """A time as an alarm keeps it; None for one that isn't set."""
    return int(kept) if kept is not None and 0 < int(kept) < _NEVER else None


def standing_lines(found: Sequence[Standing], at_ns: int, rule: CompiledRule) -> list[str]:
    """How the rule stands, as text."""
    if not found:
        return ["It has read nothing of that device in this time. `holdfast series` lists what there is."]
    lines = []
    for one in found[:20]:
        state = "raised" if one.raised else f"not raised; condition held {one.held} times" if one.held else "not raised"
        if rule.when is None and rule.alarm.kind == "condition":
            state = "gives results"
        part = f" ({one.part})" if one.part else ""
        lines.append(f"{plain(one.device)}{part} at {moment(at_ns // NS_PER_S * NS_PER_S)}: {state}")
        if one.since is not None and not one.raised:
            lines.append(f"  held since {moment(one.since)}" + (f", due at {moment(one.due)}" if one.due else ""))
        if one.ts is None:
            lines.append("  not evaluated in this time")
            continue
        said = ", ".join(f"{name} = {shown_value(value)}" for name, value in one.values.items())
        lines.append(f"  last evaluated at {moment(one.ts)}: {said}")
        lines += _samples(one.window)
    more = len(found) - 20
    return lines + ([f"and {more:,} more: name one with --device"] if more > 0 else [])


def _samples(window: Mapping[str, Any]) -> list[str]:
    lines = []
    for metric, (ts, values) in window.items():
        if ts:
            said = ", ".join(shown_value(v) for v in values[-10:])
            dots = "… " if len(values) > 10 else ""
            lines.append(f"  {plain(metric)}: {dots}{said} ({moment(ts[0])} to {moment(ts[-1])})")
    return lines


def show_rule(
    rules: Sequence[CompiledRule], name: str, text: Mapping[str, object], wanted: Wanted | None, device: str,
    clock: Clock, *, json: bool,
) -> int:  # fmt: skip
    """Print a rule in plain words and, with a past to look at, how it stands. Returns 0."""
    parts = [rule for rule in rules if rule.name == name]
    words = [line for rule in parts for line in explain(rule, text)]
    if wanted is None:
        typer.echo(as_json({"rule": name, "words": words}) if json else "\n".join(words))
        return 0
    with past(wanted, *sought(rules), clock) as readings:
        found = Standings(rules, name, watched(readings, "replaying", json=json)).at_end(device)
    if json:
        typer.echo(as_json({"rule": name, "words": words, "standing": found}))
    else:
        typer.echo("\n".join([*words, "", *standing_lines(found, readings.to_ns, parts[0])]))
    return 0


def find_event(where: Api | File, number: str) -> Event:
    """The event whose id begins so.

    Raises:
        Misused: when there is none, or more than one.
    """
    if isinstance(where, Api):
        events = where.get("events", list[Event], {"limit": str(EVENTS)})
    else:
        reader = where.reader()
        try:
            events = latest_everywhere(reader, EVENTS)
        finally:
            reader.close()
    found = [event for event in events if event.id.startswith(number)]
    if len(found) != 1:
        what = (
            f"{len(found)} events begin with {number}" if found else f"no event {number} among the last {len(events):,}"
        )
        raise Misused(what, "take the id from the event; 8 digits of it will do")
    return found[0]


def event_lines(event: Event) -> list[str]:
    """Why an event came."""
    why: Mapping[str, Any] = event.why
    values, window = why.get("values", {}), why.get("window", {})
    rows = [
        ["event", event.id],
        ["what", f"{event.kind}, {event.severity}: {plain(event.message)}"],
        ["when", f"{moment(event.ts)} by the clock of {plain(event.device)} at {plain(event.node)}"],
        [
            "rule",
            f"{event.rule}, version {why.get('rule_version', 'unknown')}, decided on {why.get('decided_on', '?')}",
        ],
        *([["series", plain(event.metric)]] if event.metric else []),
        ["because", plain(str(why.get("condition", "")))],
        ["with", ", ".join(f"{name} = {shown_value(value)}" for name, value in values.items())],
        ["window", _window(window)],
    ]
    if why.get("detector"):
        rows.append(["detector", _detector(why["detector"])])
    if why.get("because"):
        rows.append(["why now", plain(str(why["because"]))])
    if why.get("held_samples"):
        since = f", since {moment(why['since'])}" if why.get("since") else ""
        rows.append(["held", f"{why['held_samples']} evaluations in a row{since}"])
    left_out = [f"{why[k]:,} {words}" for k, words in (("skipped_bad", "bad"), ("late", "too late")) if why.get(k)]
    if left_out:
        rows.append(["left out", ", ".join(left_out)])
    lines = table(rows)
    for metric, samples in why.get("inputs", {}).items():
        ts, numbers = samples.get("ts", []), samples.get("values", [])
        lines.append(f"{plain(metric)}: {many(len(ts), 'sample')}")
        lines += [f"  {moment(t)}  {shown_value(v)}" for t, v in zip(ts, numbers, strict=True)]
    return lines


def _detector(said: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value:g}" for name, value in said.get("options", {}).items())
    labels = ", ".join(f"{said[name]} {name}" for name in ("confirmed", "rejected") if said.get(name))
    named = f"{said.get('name')}{f' ({options})' if options else ''}, threshold {said.get('threshold', 0):g}"
    return plain(f"{named}{f' after {labels}' if labels else ''}")


def _window(window: Mapping[str, Any]) -> str:
    said = str(window.get("text", ""))
    if "from" in window and "to" in window:
        said += (
            f", {moment(window['from'])} to {moment(window['to'])} ({lasting((window['to'] - window['from']) / 1e9)})"
        )
    if window.get("revision"):
        said += f", revised {window['revision']} times"
    return said
