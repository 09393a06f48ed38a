"""From a scenario's file to a site that can be played: every problem with its line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from holdfast.kernel.clock import NS_PER_MS, NS_PER_S
from holdfast.kernel.documents import Document, Problem, SettingsInvalid, Where, load
from holdfast.kernel.shape import Finding, Shape
from holdfast.sim.ends.port import DevicePlan, End
from holdfast.sim.ends.table import EndKind, EndMissing, end_kind
from holdfast.sim.plant.chance import Chance
from holdfast.sim.plant.models import MODELS
from holdfast.sim.site.checks import Named, of_faults, of_names
from holdfast.sim.site.faults import DeviceFaults
from holdfast.sim.site.play import Group, Play
from holdfast.sim.site.settings import FaultSettings, GroupSettings, ScenarioSettings

SHIPPED = Path(__file__).parents[1] / "scenarios"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEMPLATE = re.compile(r"\{n(:\d{1,2})?\}")
_LEAST_S = 0.01
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """A group as it's written, checked. devices: names in the order of their numbers."""

    name: str
    settings: GroupSettings
    params: Struct
    kind: EndKind
    end_settings: Struct
    devices: tuple[str, ...]

    def plans(self) -> dict[str, DevicePlan]:
        """Its devices."""
        points = MODELS[self.settings.model].points
        return {device: DevicePlan(number, points) for number, device in enumerate(self.devices)}

    def named(self) -> Named:
        """What its faults are checked against."""
        points = tuple(MODELS[self.settings.model].points)
        return Named(self.name, self.settings.protocol, self.kind.pushed, self.devices, points)

    def end(self) -> End:
        """Its end of the protocol; nothing is opened."""
        return self.kind.end(self.name, self.end_settings, self.plans())


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, checked. start_ns: None = the moment of the run."""

    seed: int
    start_ns: int | None
    groups: tuple[GroupPlan, ...]
    faults: tuple[FaultSettings, ...]

    @property
    def devices(self) -> int:
        """How many there are."""
        return sum(len(group.devices) for group in self.groups)

    def play(self, start_ns: int, ends: Mapping[str, End]) -> Play:
        """Ready to be played once from `start_ns`. ends: by group."""
        return Play([self._group(plan, ends[plan.name]) for plan in self.groups], start_ns)

    def _group(self, plan: GroupPlan, end: End) -> Group:
        model, devices = MODELS[plan.settings.model], plan.plans()
        plant = model.make(plan.params, len(devices), Chance(self.seed, plan.name, len(devices)))
        faults = {
            device: DeviceFaults(self.seed, device, model.points, self.faults, pushed=plan.kind.pushed)
            for device in devices
        }
        every_ns = round(plan.settings.every * NS_PER_S) // NS_PER_MS * NS_PER_MS
        return Group(plan.name, every_ns, plan.settings.together, model.longest_s, plant, end, devices, faults)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario; `builtin:plant` is the shipped one of that name.

    Raises:
        SettingsInvalid: with every problem and its line.
    """
    document = load(found(path), ScenarioSettings)
    problems: list[Problem] = []
    groups = [plan for name in document.value.groups if (plan := _group(document, name, problems)) is not None]
    named = [plan.named() for plan in groups]
    problems += [document.problem(where, said) for where, said in of_names(named)]
    if not problems:  # a group that can't be read would have every fault that befalls it called wrong, too
        problems += [document.problem(where, said) for where, said in of_faults(document.value.faults, named)]
    start_ns = _start(document, problems)
    if not document.value.groups:
        problems.append(document.problem(("groups",), "there is no group: name at least one"))
    if problems:
        raise SettingsInvalid(problems)
    return Scenario(document.value.seed, start_ns, tuple(groups), document.value.faults)


def found(path: Path) -> Path:
    """The path of a scenario, shipped ones (`builtin:plant`) included."""
    name = str(path).removeprefix("builtin:")
    return SHIPPED / f"{name}.yaml" if name != str(path) else path


def parse_time(text: str) -> int:
    """An RFC 3339 time in ns UTC.

    Raises:
        ValueError: when it's none, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _start(document: Document[ScenarioSettings], problems: list[Problem]) -> int | None:
    start = document.value.start
    if start == "now":
        return None
    try:
        return parse_time(start.isoformat() if isinstance(start, date) else str(start))
    except ValueError:
        said = f"expected `now` or a time with a zone, as 2026-01-05T06:00:00Z, not `{start}`"
        problems.append(document.problem(("start",), said))
        return None


def _group(document: Document[ScenarioSettings], name: str, problems: list[Problem]) -> GroupPlan | None:
    here, settings, before = ("groups", name), document.value.groups[name], len(problems)
    model, kind = MODELS.get(settings.model), None
    if model is None:
        said = f"`{settings.model}` is no plant model; there are: {', '.join(MODELS)}"
        problems.append(document.problem((*here, "model"), said))
    try:
        kind = end_kind(settings.protocol)
    except EndMissing as missing:
        problems.append(document.problem((*here, "protocol"), str(missing)))
    if settings.every < _LEAST_S:
        problems.append(document.problem((*here, "every"), "must be 10ms or more"))
    devices = tuple(_names(name, settings))
    if bad := next((device for device in devices if not _NAME.fullmatch(device)), None):
        said = f"`{bad}` is no device's name: letters, digits, - and _, at most 64"
        problems.append(document.problem((*here, "name") if settings.name else here, said))
    params = model and _struct(document, (*here, "params"), settings.params, model.params, problems)
    end = kind and _struct(document, (*here, "end"), settings.end, kind.settings, problems)
    for where, message in getattr(end, "findings", tuple)():
        problems.append(document.problem((*here, "end", *where), message))
    if params is None or kind is None or end is None or len(problems) > before:
        return None
    return GroupPlan(name, settings, params, kind, end, devices)


def _names(group: str, settings: GroupSettings) -> Iterator[str]:
    template = settings.name or (f"{group}-{{n:03}}" if settings.count > 1 else group)
    for number in range(1, settings.count + 1):
        yield _TEMPLATE.sub(lambda m, n=number: format(n, (m[1] or ":")[1:]), template)  # type: ignore[misc]  # a default binds


def _struct(
    document: Document[ScenarioSettings], here: Where, raw: dict[str, Any], into: type[Struct], problems: list[Problem]
) -> Struct | None:
    findings: list[Finding] = []
    checked = Shape(into).check(raw, findings)
    problems += [document.problem((*here, *where), message) for where, message in findings]
    if findings:
        return None
    try:
        made: Struct = msgspec.convert(checked, into)
    except msgspec.ValidationError as error:
        problems.append(document.problem(here, str(error)))
        return None
    return made
