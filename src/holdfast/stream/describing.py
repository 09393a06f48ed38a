"""A compiled rule in plain words, and what it keeps in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Catalogue
from holdfast.stream.detecting import STEP, Watch
from holdfast.stream.detectors.catalogue import KINDS
from holdfast.stream.judges import Judge
from holdfast.stream.plans import READINGS, AlarmSpec, WindowSpec
from holdfast.stream.rules import CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.texts import Texts

_SLOTS = 1_024
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SAMPLE = 16
"""Bytes of a sample that a window keeps: time and value."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes kept per key, at rest; sample: for each message in a window besides, 0 = included or none."""

    key: int
    sample: int


def lasting(ns: int) -> str:
    """A length of time, as in `1 h 30 min`."""
    seconds, rest = divmod(ns, NS_PER_S)
    if rest or not seconds:
        return f"{ns / NS_PER_S:g} s"
    said = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said)


def reads(rule: CompiledRule) -> list[str]:
    """What it reads: metrics, columns of another rule, other devices' series."""
    found = []
    for one in rule.stage.inputs:
        if one.kind == "own" and rule.stage.reads_every:
            found.append("every numeric series")
        elif one.kind == "own":
            found.append(one.metric if rule.stage.source == READINGS else f"{rule.stage.source}.{one.metric}")
        elif one.kind == "other":
            found.append(f"{one.device}/{one.metric}")
    return list(dict.fromkeys(found))


def cost(rule: CompiledRule) -> Cost:
    """What it keeps in memory."""
    stage = Stage(rule.stage, [rule.matches])
    judge = Judge(rule, stage, "", Catalogue(), Texts())
    before = stage.state.nbytes + judge.state.nbytes
    stage.state.grow(_SLOTS)
    judge.state.grow(_SLOTS)
    key = round((stage.state.nbytes + judge.state.nbytes - before) / _SLOTS)
    columns = max(1, len([i for i in rule.stage.inputs if i.kind == "own"]))
    kept = rule.stage.window.kind in ("sliding", "session", "count", "state")
    return Cost(key, 8 + (_SAMPLE - 8) * columns if kept else 0)


def detector_words(watch: Watch) -> list[str]:
    """What a rule's detector is, what it finds and doesn't, and what people's labels do."""
    kind = KINDS[watch.detector]
    chosen = {**kind.defaults(), **watch.options}
    units = {option.name: option.unit for option in kind.options}
    options = ", ".join(f"{name} {value:g} {units[name]}".strip() for name, value in chosen.items())
    low, high = watch.bounds()
    return [
        f"{watch.detector}{f' ({options})' if options else ''}, alarm from a score of {watch.threshold:g}",
        f"finds {kind.finds}",
        f"doesn't see {kind.blind}",
        f"costs {kind.cost}",
        f"a confirmed alert moves its series' threshold down by {STEP:g}, to {low:g} at least",
        f"a rejected one moves it up by as much, to {high:g} at most",
    ]


def window_words(spec: WindowSpec) -> str:
    """What one evaluation looks at."""
    words = {
        "each": "every message by itself",
        "last": f"the last {spec.samples} samples of each metric",
        "tumbling": f"windows of {lasting(spec.width)}, one after the other",
        "hopping": f"windows of {lasting(spec.width)}, a new one every {lasting(spec.hop)}",
        "calendar": f"every {spec.unit} of the calendar in {spec.zone}",
        "sliding": f"the {lasting(spec.behind)} before each message"
        + (f" and the {lasting(spec.ahead)} after it" if spec.ahead else ""),
        "session": f"messages no more than {lasting(spec.gap)} apart"
        + (f", for at most {lasting(spec.most)}" if spec.most else ""),
        "count": f"every {spec.step} messages, the last {spec.samples}",
        "state": "from the message that begins it to the one that ends it",
    }[spec.kind]
    if spec.kind == "last" and spec.samples == 1:
        words = "the newest value of each metric"
    if len(spec.starts) > 1 or spec.starts[0]:
        words += " from " + ", ".join(f"{s // 3600:02d}:{s % 3600 // 60:02d}" for s in spec.starts)
    if spec.grace:
        words += f"; a message may be {lasting(spec.grace)} late"
    if spec.late:
        words += f"; one up to {lasting(spec.late)} late revises it"
    return words


def alarm_words(rule: CompiledRule) -> list[str]:
    """When its alert is raised and when it ends; a rule without condition gives results."""
    spec = rule.alarm
    if rule.when is None and spec.kind == "condition":
        return ["every evaluation is a result"]
    if spec.kind == "absence":
        said = [f"raised when nothing came for {lasting(spec.hold_ns)}; ends with the next message"]
    elif spec.kind == "sequence":
        then = _then_text(rule)
        held = f"raised when {rule.when_text or '`when`'} held and then {then}"
        said = [f"{held} {'holds' if spec.expected else 'did not hold'} within {lasting(spec.within)}"]
    else:
        said = [f"raised when {rule.when_text}{_held(spec.hold, spec.hold_ns)}"]
    if spec.kind == "condition" or rule.clear is not None:
        clear = rule.clear_text or f"not ({rule.when_text})"
        said.append(f"ends when {clear}{_held(spec.clear_hold, spec.clear_ns)}")
    return said + _more(spec)


def _then_text(rule: CompiledRule) -> str:
    return rule.then_text or "the second condition"


def _held(samples: int, ns: int) -> str:
    if ns:
        return f", for {lasting(ns)} without a break"
    return f", {samples} times in a row" if samples > 1 else ""


def _more(spec: AlarmSpec) -> list[str]:
    said = []
    if spec.latch:
        said.append("stays raised until somebody acknowledges it")
    if spec.cooldown:
        said.append(f"isn't raised again for {lasting(spec.cooldown)} after its end")
    return said


def alarm_short(rule: CompiledRule) -> str:
    """The alarm in a table's cell."""
    spec = rule.alarm
    if rule.when is None and spec.kind == "condition":
        return "results"
    said = {"absence": "silence", "sequence": "sequence"}.get(spec.kind, rule.when_text)
    if spec.hold_ns:
        said += f" for {lasting(spec.hold_ns)}"
    elif spec.hold > 1:
        said += f" for {spec.hold} samples"
    return said + (", latched" if spec.latch else "")


def action_words(rule: CompiledRule) -> list[str]:
    """What it does."""
    said = []
    for action in rule.actions:
        topic = "".join(text + ("" if name is None else "{" + name + "}") for text, name, _ in action.topic.steps)
        kinds = {k.removeprefix("alert.") for k in action.kinds}
        said.append(f"publish {topic}" + ("" if kinds >= {"raised", "cleared"} else f" ({', '.join(sorted(kinds))})"))
    said += [f"command {order.name} ({order.on})" for order in rule.orders]
    said += [f"store {stored.metric}" for stored in rule.stores]
    for notice in rule.notices:
        said.append(f"escalate {notice.escalation}" if notice.escalation else f"notify {notice.channel}")
    return said


def explained(rule: CompiledRule, text: Mapping[str, object]) -> list[tuple[str, str]]:
    """A rule in plain words, as pairs of what and how; what goes on with the last has no name. text: as YAML has it."""
    who = {
        "device": "each device by itself",
        "node": "all devices of a node together",
        "all": "all devices together",
        "series": "each series by itself",
    }
    source = str(text.get("from", READINGS))
    rows = [("reads", ", ".join(reads(rule)) or "nothing"), ("of", f"{source}; {who[rule.stage.by]}")]
    if text.get("where"):
        rows.append(("where", str(text["where"])))
    if rule.watch is not None:
        select = text.get("select")
        rows.append(("metrics", ", ".join(map(str, select)) if isinstance(select, list) else str(select)))
        rows += [("detector" if i == 0 else "", words) for i, words in enumerate(detector_words(rule.watch))]
    rows.append(("looks at", window_words(rule.stage.window)))
    rows.append(("computes", ", ".join(rule.names)))
    rows += [("alert" if i == 0 else "", words) for i, words in enumerate(alarm_words(rule))]
    rows += [("does" if i == 0 else "", words) for i, words in enumerate(action_words(rule))]
    memory = cost(rule)
    extra = f" and {memory.sample} B a message in its window" if memory.sample else ""
    rows.append(("keeps", f"{memory.key:,} B a {'series' if rule.stage.by == 'series' else 'device'}{extra}"))
    rows.append(("stage", f"{rule.stage.signature}, version {rule.version}"))
    return rows
