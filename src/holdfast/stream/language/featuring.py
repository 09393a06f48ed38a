"""Feature documents to feature lines: every problem of every file at once, or all sets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from sqlglot import exp

from holdfast.kernel import documents
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.stream.aggregates.raw import KIND as RAW
from holdfast.stream.features.errors import FeaturesUnfit
from holdfast.stream.features.plan import Feature, FeaturePlan, Missing, fill_of
from holdfast.stream.features.sets import FeatureSet
from holdfast.stream.features.settings import FeaturesFile, FeatureText, Fill, StoredFeatures
from holdfast.stream.language import parsing
from holdfast.stream.language.devices import SourceText, parse_source
from holdfast.stream.language.expressions import Compiler, Kind
from holdfast.stream.language.feature_drafts import (
    MOST_FEATURES,
    SELECT,
    Faults,
    FeatureDraft,
    metric_node,
    renamed,
    take_select,
)
from holdfast.stream.language.naming import Kinds, Tree, calls_in, learn_kinds
from holdfast.stream.language.nearness import near
from holdfast.stream.language.parsing import shown, text_of
from holdfast.stream.language.plans import Windows
from holdfast.stream.language.quantities import Quantities, settle
from holdfast.stream.language.staging import Source, Stage
from holdfast.stream.language.tables import TableUnusable, table_at
from holdfast.stream.language.windowtext import WindowText, parse_window
from holdfast.stream.plans import READINGS, StagePlan, WindowSpec
from holdfast.stream.rules import CompiledRule
from holdfast.stream.windows.bounds import check_ordered_window
from holdfast.stream.windows.limits import check_window

MOST_SETS = 1_000
MOST_WIDTH = 16_384
"""Numbers in a row: 128 KiB."""
MOST_EACH = 4_096
"""Numbers in a row where every message makes one."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_EVERY_MESSAGE = frozenset({"each", "last", "sliding"})


@dataclass(frozen=True, slots=True)
class _Made:
    """A set compiled. plan: without a name and a deployment."""

    plan: FeaturePlan
    stage: StagePlan
    matches: Any


def load_features(paths: Iterable[Path]) -> list[FeatureSet]:
    """The feature sets in these files, in order.

    Raises:
        SettingsInvalid: with every problem in every file: shape, expressions, windows, names used twice.
    """
    problems: list[Problem] = []
    found: dict[str, FeatureSet] = {}
    for path in paths:
        try:
            document = documents.load(path, FeaturesFile)
        except SettingsInvalid as error:
            problems.extend(error.problems)
            continue
        if len(document.value.features) > MOST_SETS:
            problems.append(document.problem(("features",), f"more than {MOST_SETS:,} feature sets"))
            continue
        for name, text in document.value.features.items():
            if name in found:
                problems.append(
                    document.problem(("features", name), f"features named `{name}` stand in another file too")
                )
            one = _checked(document, name, text, path.parent, problems)
            if one is not None:
                found[name] = one
    if problems:
        raise SettingsInvalid(problems)
    return list(found.values())


def _checked(
    document: Document[FeaturesFile], name: str, text: FeatureText, folder: Path, problems: list[Problem]
) -> FeatureSet | None:
    parts = FeatureDraft(text, folder)
    if _NAME.fullmatch(name) is None:
        problems.append(
            document.problem(
                ("features", name), f"`{name}` is no name: lower-case letters, digits, - and _, at most 64"
            )
        )
    made = _compiled(parts, "", {})
    for key, faults in parts.faults.items():
        where = ("features", name, *key.split(" ", 1))
        problems += [document.problem(where, fault) for fault in dict.fromkeys(faults)]
    if made is None:
        return None
    own = dict.fromkeys(one.metric for one in made.stage.inputs if one.kind == "own")
    others = dict.fromkeys(f"{one.device}/{one.metric}" for one in made.stage.inputs if one.kind == "other")
    return FeatureSet(name, text, folder, made.plan.columns, tuple(own), tuple(others))


def compile_features(
    features: FeatureSet, deployment: str, from_: str = "", rename: Mapping[str, str] | None = None
) -> CompiledRule:
    """A line of the engine that makes rows of a set for a deployment. It stands among the rules: `Engine(…, lines)`.

    from_:  which devices, in place of the set's own `from`; "" = that
    rename: a metric of the set to the one that this site has in its place; `device/metric` of other devices likewise

    Raises:
        FeaturesUnfit: with all that is wrong with `from_` (key `from`), `rename` (`inputs`), and the set here.
    """
    names = dict(rename or {})
    faults: list[tuple[str, str]] = []
    for name in names:
        known = (*features.inputs, *features.others)
        if name not in known:
            faults.append(
                ("inputs", f"`{name}` isn't read by `{features.name}`{near(name, known)}; it reads {', '.join(known)}")
            )
    faults += [
        ("inputs", f"`{new}` is no metric's name")
        for old, new in names.items()
        if not new or (old in features.others and "/" not in new)
    ]
    parts = FeatureDraft(features.text, features.folder)
    made = None if faults else _compiled(parts, from_, names)
    for key, said in parts.faults.items():
        faults += [("from" if key == "from" else "features", f"{key}: {one}") for one in dict.fromkeys(said)]
    if made is None or faults:
        raise FeaturesUnfit(features.name, deployment, faults)
    stored = StoredFeatures(
        features.name, str(features.folder.absolute()), features.text, deployment, from_, dict(sorted(names.items()))
    )
    document = msgspec.json.encode(stored)
    plan = replace(made.plan, ref=features.ref, deployment=deployment)
    shape = repr((made.stage.signature, plan.columns, plan.missing, plan.every_ns, features.hash))
    return CompiledRule(
        name=line_name(deployment), version=blake2b(document, digest_size=8).hexdigest(), severity="info",
        matches=made.matches, stage=made.stage, names=(), values=(), document=document, features=plan,
        shape=blake2b(shape.encode(), digest_size=12).hexdigest(),
    )  # fmt: skip


def line_name(deployment: str) -> str:
    """What a deployment's line is called among the rules, in costs and counters; no rule's name has a colon."""
    return f"features:{deployment}"


def compile_stored(text: bytes) -> CompiledRule | None:
    """A line from its own `document`; None when that is of a rule.

    Raises:
        SettingsInvalid: when it can't be compiled any more.
    """
    if not text.startswith(b'{"features":'):
        return None
    try:
        stored = msgspec.json.decode(text, type=StoredFeatures)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid([Problem("stored features", 1, (), f"aren't any: {error}")]) from None
    folder = Path(stored.folder)
    document = Document(folder / f"{stored.features} (as stored)", FeaturesFile({stored.features: stored.text}))
    problems: list[Problem] = []
    features = _checked(document, stored.features, stored.text, folder, problems)
    if features is None or problems:
        raise SettingsInvalid(problems)
    try:
        return compile_features(features, stored.deployment, stored.source, stored.rename)
    except FeaturesUnfit as error:
        raise SettingsInvalid([document.problem(("features", stored.features), str(error))]) from None


def _compiled(parts: FeatureDraft, from_: str, names: Mapping[str, str]) -> _Made | None:
    """The set; None, and what is wrong in `parts.faults`, when it can't be."""
    faults = parts.faults
    try:
        return _put_together(parts, from_, names)
    except RecursionError:
        faults[SELECT].append("is nested too deeply; make it several features")
        return None


def _put_together(parts: FeatureDraft, from_: str, names: Mapping[str, str]) -> _Made | None:
    text, faults = parts.text, parts.faults
    source = _source(from_ or text.source, faults)
    window = parse_window(text.window, faults["window"])
    take_select(parts, window.spec, names)
    bounds = _bounds(window, names, faults["window"])
    trees = [*parts.all(), *(one for one in bounds if one is not None)]
    kinds, quantities = _kinds(parts), Quantities()
    learn_kinds(trees, kinds)
    settle(trees, parts.units, quantities, faults)
    stage = Stage(Source(), kinds, quantities, parts.folder)
    stage.take_names(trees)
    begin, end = (-1 if one is None else stage.condition(one.node, faults["window"]) for one in bounds)
    spec = replace(window.spec, begin=begin, end=end)
    made = _features(parts, stage, spec)
    own = [i for i, one in enumerate(stage.inputs) if one.kind == "own"]
    if not own and not any(faults.values()):
        faults[SELECT].append("reads no metric; select one, such as `temperature: air.temperature`")
    doubts = _doubts(parts, stage, spec, own)
    plan = stage.plan(spec, "device", source.where, None, "")
    if spec.late:
        faults["window"].append("a row is scored once, so nothing revises it: take `late …` out")
    if not faults["window"]:
        faults["window"] += [*check_window(spec, plan.calls), *check_ordered_window(spec)]
    fill = _fill(parts, made)
    _check_width(made, spec, faults)
    if any(faults.values()):
        return None
    missing: Missing = "fill" if isinstance(text.missing, Fill) else text.missing
    return _Made(
        FeaturePlan("", "", made, missing, fill, round(text.every * NS_PER_S), *doubts, text.quality == "good"),
        plan,
        source.matches,
    )


def _bounds(window: WindowText, names: Mapping[str, str], faults: list[str]) -> tuple[Tree | None, Tree | None]:
    """The conditions of a state window."""
    found: list[Tree | None] = [None, None]
    for i, said in enumerate((window.begin, window.end)):
        node = parsing.condition(said, faults) if said else None
        if node is not None:
            found[i] = Tree("window", "message", exp.Paren(this=renamed(node, names)))
    return found[0], found[1]


def _source(text: str, faults: Faults) -> SourceText:
    source = parse_source(text, faults["from"])
    if source.name != READINGS:
        faults["from"].append(f"features are of `readings`, not of rule `{source.name}`")
    if source.of_metrics:
        faults["from"].append("a row is of a device: choose by `device` and `node`; metrics are named in `select`")
    return source


def _kinds(parts: FeatureDraft) -> Kinds:
    found = dict[tuple[str, str], bool]()
    for tree in parts.all():
        for arguments in calls_in(tree.node, "lookup"):
            texts = [text_of(one) for one in arguments[:2]]
            if len(texts) == 2 and texts[0] and texts[1]:
                try:
                    found[texts[0], texts[1]] = table_at(parts.folder, texts[0]).column(texts[1]).is_text
                except TableUnusable:
                    continue  # told where it's compiled
    return Kinds(tables=found)


def _features(parts: FeatureDraft, stage: Stage, window: WindowSpec) -> tuple[Feature, ...]:
    made = []
    for name, trees in parts.trees.items():
        faults = parts.faults[f"{SELECT} {name}"]
        compiler = Compiler(Windows(stage, window), faults, parts.folder)
        labels = tuple(parts.labels[name])
        if name in parts.counts:
            leaves = [stage.column(tree.node, faults) for tree in trees]
            if any(leaf is not None and leaf.kind == "text" for leaf in leaves):
                faults.append("samples of a text; a model takes numbers")
            count = (float(parts.counts[name]),)
            calls = tuple(stage.call(RAW, leaf.position, count) for leaf in leaves if leaf is not None)
            made.append(Feature(name, labels, (), calls))
            continue
        values = [compiler.value(tree.node) for tree in trees]
        if any(_is_text(value.kind) for value in values) and not faults:
            faults.append(
                f"`{shown(trees[0].node.this)}` is a text; a model takes numbers: compare it, as in `place = 'hall'`, "
                "or write `one_hot(place, 'hall', 'yard')`"
            )
        made.append(Feature(name, labels, tuple(value.compute for value in values)))
    return tuple(made)


def _is_text(kind: Kind | None) -> bool:
    return kind == "text"


def _doubts(
    parts: FeatureDraft, stage: Stage, window: WindowSpec, own: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The calls that say what the inputs' quality is: uncertain ones, bad ones, the newest ones'."""
    stage.wants_quality = True
    doubted = tuple(stage.call("uncertain", i) for i in own)
    spoilt = tuple(stage.call("bad", i) for i in own)
    if parts.text.quality == "good" or window.kind == "each":
        return doubted, spoilt, ()
    newest = []
    for i in own:
        node = exp.Anonymous(this="quality", expressions=[metric_node(stage.inputs[i].metric)])
        leaf = stage.column(node, parts.faults[SELECT])
        if leaf is not None:
            newest.append(stage.call("last", leaf.position))
    return doubted, spoilt, tuple(newest)


def _fill(parts: FeatureDraft, made: Sequence[Feature]) -> tuple[float, ...]:
    """What stands for each number."""
    missing, names = parts.text.missing, [one.name for one in made]
    fill: float | Mapping[str, float] = float("nan")
    if isinstance(missing, Fill):
        fill = missing.fill
        known = list(parts.text.select)
        parts.faults["missing"] += [
            f"no feature is called `{name}`{near(name, known)}; there are {', '.join(known)}"
            for name in (fill if isinstance(fill, dict) else ())
            if name not in known
        ]
    elif missing == "zero":
        fill = 0.0
    return tuple(fill_of(names, fill, [one.columns for one in made]))


def _check_width(made: Sequence[Feature], window: WindowSpec, faults: Faults) -> None:
    width = sum(one.width for one in made)
    names = [column for one in made for column in one.columns]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < MOST_FEATURES else []
    if twice:
        faults[SELECT].append(f"two numbers are called `{twice[0]}`; choose other names")
    most = MOST_EACH if window.kind in _EVERY_MESSAGE else MOST_WIDTH
    if width > most:
        faults[SELECT].append(
            f"a row would have {width:,} numbers, of {most:,} allowed"
            + ("" if most == MOST_WIDTH else f"; `window: count N every M` takes {MOST_WIDTH:,}")
        )
