"""Profile documents to compiled profiles. Every problem of every file at once, or all profiles."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from holdfast.codecs.lorawan import plan as lorawan
from holdfast.codecs.lorawan.errors import ScriptUnusable
from holdfast.codecs.lorawan.scripts import load_script
from holdfast.codecs.opening import bind_keys, decoder_of, is_open, open_of
from holdfast.codecs.profiles import Decode, Field, Line, Meaning, Open, Profile, Records, Samples
from holdfast.codecs.profiles import Path as FieldPath
from holdfast.codecs.settings import (
    ProfileSettings,
    ProfilesFile,
    RecordsSettings,
    SamplesSettings,
)
from holdfast.codecs.structs import clash
from holdfast.codecs.topics import DEVICE, PatternInvalid, TopicPattern, compile_pattern
from holdfast.kernel import documents
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.kernel.scalars import zone
from holdfast.model.errors import UnitError
from holdfast.model.points import ReadingSettings
from holdfast.model.series import Kind
from holdfast.model.units import base_of, canonical, conversion, payload_unit, spellings

BUILTIN = Path(__file__).parent / "builtin"
"""Profile files that ship with Holdfast."""
_METRIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)*")
_KINDS = {"float": Kind.FLOAT, "int": Kind.INT, "bool": Kind.BOOL, "text": Kind.TEXT}
_LAST_PORT = 255
_PORT_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)
_NO_LINE: Line = (1.0, 0.0)
_TIME_IS_ID = "time"
_TYPED_BY_MSGSPEC = frozenset(("json", "msgpack"))
_TIME_BY_PATH = frozenset(("json", "cbor", "msgpack", "csv", "binary", "protobuf", "text"))


@dataclass(frozen=True, slots=True)
class _Loaded:
    document: Document[ProfilesFile]
    name: str
    extends: str | None
    profile: Profile


def load_profiles(paths: Iterable[Path]) -> list[Profile]:
    """The profiles in these files, in order; one that extends a built-in one takes its place.

    Raises:
        SettingsInvalid: with every problem in every file: shape, units, topics, two profiles for the same topics.
    """
    problems: list[Problem] = []
    loaded: list[_Loaded] = []
    for path in paths:
        try:
            document = documents.load(path, ProfilesFile)
        except SettingsInvalid as error:
            problems.extend(error.problems)
            continue
        for name, settings in document.value.profiles.items():
            profile = compile_profile(document, name, settings, problems)
            if profile is not None:
                loaded.append(_Loaded(document, name, settings.extends, profile))
    replaced = {one.extends for one in loaded if one.extends is not None}
    kept = [one for one in loaded if one.name not in replaced or one.document.path.parent != BUILTIN]
    owners: dict[str, str] = {}
    for one in kept:
        owner = owners.setdefault(one.profile.pattern.shape, one.name)
        if owner is not one.name:
            where = ("profiles", one.name, "topic")
            problems.append(one.document.problem(where, f"profile `{owner}` claims the same topics; keep one"))
    if problems:
        raise SettingsInvalid(problems)
    return [one.profile for one in kept]


def compile_profile(
    document: Document[ProfilesFile], name: str, settings: ProfileSettings, problems: list[Problem]
) -> Profile | None:
    """One profile of a document; None when it has problems, which are appended."""
    return _Reader(document, name, problems).profile(settings)


@cache
def shipped() -> dict[str, ProfileSettings]:
    """Every built-in profile's settings by its name."""
    files = sorted(BUILTIN.glob("*.yaml"))
    return {name: s for file in files for name, s in documents.load(file, ProfilesFile).value.profiles.items()}


class _Reader:
    """Compiles one profile; its faults become problems with the line of the key they are about."""

    def __init__(self, document: Document[ProfilesFile], name: str, problems: list[Problem]) -> None:
        self._document = document
        self._name = name
        self._problems = problems

    def profile(self, s: ProfileSettings) -> Profile | None:
        before = len(self._problems)
        s = self._extended(s)
        pattern = self._pattern(s)
        if s.format == "lorawan":
            return None if pattern is None else self._lorawan(s, pattern, before)
        if s.codec is not None or s.codecs or s.ports:
            self._tell(("codec",), "codecs decode uplinks of LoRaWAN network servers: add `format: lorawan`")
        if s.id == _TIME_IS_ID and s.time is None and s.format in _TIME_BY_PATH:
            self._tell(("id",), "`id: time` needs `time`")
        profile = None if pattern is None else self._profile(s, pattern)
        if pattern is None and not s.fields and s.records is None and not is_open(s):
            self._tell((), "a profile has either `fields` or `records`, or a `map`")
        return None if len(self._problems) > before else profile

    def _extended(self, s: ProfileSettings) -> ProfileSettings:
        """The settings, with those of the built-in profile where the document has none."""
        if s.extends is None:
            return s
        base = shipped().get(s.extends)
        if base is None:
            known = ", ".join(shipped())
            self._tell(("extends",), f"no built-in profile is called `{s.extends}`; there are {known}")
            return s
        written = [key for key in s.__struct_fields__ if ("profiles", self._name, key) in self._document.lines]
        own = {key: getattr(s, key) for key in written}
        for key in ("map", "fields"):
            if key in own:
                own[key] = {**getattr(base, key), **own[key]}
        return msgspec.structs.replace(base, **own)

    def _profile(self, s: ProfileSettings, pattern: TopicPattern) -> Profile:
        decode = decoder_of(s, self._document.path.absolute().parent, self._tell)
        fields, records, open_ = self._fixed(s, pattern, decode)
        profile = Profile(
            name=self._name,
            version=s.version,
            pattern=pattern,
            device_path=split(s.device),
            time_path=None if s.time is None else split(s.time.field),
            time_unit="s" if s.time is None else s.time.unit,
            id_path=None if s.id == _TIME_IS_ID else split(s.id),
            id_is_time=s.id == _TIME_IS_ID,
            stale_ns=None if s.stale_after is None else round(s.stale_after * NS_PER_S),
            future_ns=round(s.future_limit * NS_PER_S),
            fields=fields,
            records=records,
            format=s.format,
            zone=None if s.time is None or s.time.zone is None else zone(s.time.zone),
            time_optional=s.time is not None and s.time.optional,
            decode=None if s.embedded is None and s.format in _TYPED_BY_MSGSPEC else decode,
            open=open_,
            samples=None if s.samples is None else self._samples(s, s.samples),
        )
        return profile if open_ is not None else self._checked(profile)

    def _fixed(
        self, s: ProfileSettings, pattern: TopicPattern, decode: Decode | None
    ) -> tuple[tuple[Field, ...], Records | None, Open | None]:
        if is_open(s):
            opened = open_of(s, pattern, decode, self._meaning, self._tell)
            keys = bind_keys(s, self._document.path.absolute().parent, self._tell)
            return (), None, None if opened is None else dataclasses.replace(opened, keys=keys)
        if s.time is not None and (s.time.optional or s.time.zone or s.time.unit == "auto"):
            self._tell(("time",), "`optional`, `zone` and `unit: auto` need a `map` instead of `fields` or `records`")
        if (DEVICE in pattern.captures) is (s.device is not None):
            self._tell(("topic",), "the device's name stands either in the topic, as {device}, or at a `device:` path")
        fields = tuple(self._field(path, s) for path in s.fields)
        records = None if s.records is None else self._records(s.records)
        if (s.records is None) is not bool(s.fields):
            self._tell((), "a profile has either `fields` or `records`, or a `map`")
        for path, f in s.fields.items():
            if any(isinstance(word, str) for word in f.missing):
                self._tell(("fields", path, "missing"), "words that mean nothing need a `map` instead of `fields`")
        return fields, records, None

    def _samples(self, s: ProfileSettings, said: SamplesSettings) -> Samples:
        if sum(one is not None for one in (said.rate_hz, said.rate_field, said.every_field)) != 1:
            self._tell(
                ("samples",), "how far samples are apart is said by one of `rate_hz`, `rate_field`, `every_field`"
            )
        if is_open(s) or s.records is not None or not s.fields:
            self._tell(("samples",), "`samples` are arrays at fixed paths: name them under `fields`")
        for path, f in s.fields.items():
            if f.type not in ("float", "int") or f.missing:
                self._tell(("fields", path), "samples are numbers, all of them: no other `type`, no `missing`")
        per_s = 0.0 if said.every_field is None else {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[said.unit]
        return Samples(said.rate_hz or 0.0, split(said.rate_field or said.every_field), per_s, said.time_of == "last")

    def _lorawan(self, s: ProfileSettings, pattern: TopicPattern, before: int) -> Profile | None:
        device = self._device_name(s.device, pattern)
        for key in ("time", "id", "records", "samples"):
            if getattr(s, key) is not None:
                self._tell((key,), f"`{key}` isn't for `format: lorawan`: the network server's message says it")
        codec = None if s.codec is None else self._codec(s.codec, ("codec",))
        codecs = {model: self._codec(word, ("codecs", model)) for model, word in s.codecs.items()}
        ports = {port: codec for said, word in s.ports.items() for port, codec in self._ports(said, word)}
        own = {path: self._field(path, s).meaning for path in s.fields}
        if len(self._problems) > before:
            return None
        plan = lorawan.LorawanPlan(
            codec,
            {model: found for model, found in codecs.items() if found is not None},
            ports,
            {split(path) or (): meaning.kind for path, meaning in own.items()},
            device,
        )
        return Profile(
            name=self._name,
            version=s.version,
            pattern=pattern,
            device_path=None,
            time_path=None,
            time_unit="us",
            id_path=None,
            id_is_time=False,
            stale_ns=None if s.stale_after is None else round(s.stale_after * NS_PER_S),
            future_ns=round(s.future_limit * NS_PER_S),
            fields=(),
            records=None,
            lorawan=plan,
            format=s.format,
            open=lorawan.open_of(own),
        )

    def _device_name(self, said: str | None, pattern: TopicPattern) -> lorawan.DeviceName:
        match said:
            case None | "eui":
                return "eui"
            case "name":
                return "name"
            case "topic":
                if DEVICE not in pattern.captures:
                    self._tell(("topic",), "the device's name is missing: {device} in the topic")
                return "topic"
        self._tell(("device",), f"`{said}`: an uplink's device is called by its `eui`, `name` or `topic`")
        return "eui"

    def _ports(self, said: str, word: str) -> Iterator[tuple[int, lorawan.Codec]]:
        """The codec of each fPort of `2` or `10-19`."""
        codec = self._codec(word, ("ports", said))
        match = _PORT_RANGE.fullmatch(said)
        first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
        if not first <= last <= _LAST_PORT:
            self._tell(("ports", said), f"`{said}` is no fPort: 0 to {_LAST_PORT}, or from-to as 10-19")
        elif codec is not None:
            for port in range(first, last + 1):
                yield port, codec

    def _codec(self, word: str, where: tuple[str, ...]) -> lorawan.Codec | None:
        if word in lorawan.OWN_CODECS:
            return lorawan.OWN_CODECS[word]
        try:
            return load_script(self._document.path.parent / word)
        except ScriptUnusable as error:
            self._tell(where, str(error))
            return None

    def _checked(self, profile: Profile) -> Profile:
        fault = clash(profile)
        if fault:
            self._tell((), fault)
        return profile

    def _pattern(self, s: ProfileSettings) -> TopicPattern | None:
        if not s.topic:
            self._tell((), "`topic` is missing")
            return None
        try:
            return compile_pattern(s.topic)
        except PatternInvalid as error:
            self._tell(("topic",), str(error))
            return None

    def _field(self, path: str, s: ProfileSettings) -> Field:
        settings = s.fields[path]
        meaning = self._meaning(("fields", path), settings, settings.unit_field is not None)
        return Field(split(path) or (), meaning, settings.optional, split(settings.unit_field))

    def _records(self, s: RecordsSettings) -> Records:
        meanings = {
            name: self._meaning(("records", "map", name), reading, s.unit is not None)
            for name, reading in s.map.items()
        }
        if not meanings:
            self._tell(("records", "map"), "`map` is empty: no record would become a reading")
        path = split(s.path) or ()
        unknown = s.unknown == "reject"
        return Records(
            path, s.name, s.value, s.bool_value, s.text_value, s.unit, s.time, meanings, rejects_unknown=unknown
        )

    def _meaning(self, where: tuple[str, ...], s: ReadingSettings, says_unit: bool) -> Meaning:  # noqa: FBT001 - a `MeaningOf`
        if where[0] != "map" and _METRIC.fullmatch(s.metric) is None:
            self._tell((*where, "metric"), f"`{s.metric}` is no metric: dotted lower-case words, as air.temperature")
        if s.min is not None and s.max is not None and s.min > s.max:
            self._tell((*where, "min"), f"min {s.min:g} is above max {s.max:g}")
        kind = _KINDS.get(s.type, Kind.FLOAT)
        if kind in (Kind.BOOL, Kind.TEXT) and (s.unit or s.to):
            self._tell((*where, "type"), f"a {s.type} has no unit")
        if kind is Kind.TEXT and s.stuck_after:
            self._tell((*where, "stuck_after"), "a text can't be stuck")
        unit, line, lines = "", _NO_LINE, dict[str, Line]()
        try:
            unit, line, lines = _units(s, says_unit=says_unit)
        except UnitError as error:
            self._tell((*where, "unit"), str(error))
        low = float("-inf") if s.min is None else s.min
        high = float("inf") if s.max is None else s.max
        stuck_ns = round((s.stuck_after or 0) * NS_PER_S)
        return Meaning(s.metric, unit, kind, line, lines, s.decimals, low, high, s.missing, stuck_ns)

    def _tell(self, where: tuple[str, ...], fault: str) -> None:
        self._problems.append(self._document.problem(("profiles", self._name, *where), fault))


def split(path: str | None) -> FieldPath | None:
    """A dotted path as its steps; the empty path is the payload itself."""
    if path is None:
        return None
    return tuple(path.split(".")) if path else ()


def _units(s: ReadingSettings, *, says_unit: bool) -> tuple[str, Line, dict[str, Line]]:
    """The stored unit's name, the default line to it, and the lines of every spelling a device may send."""
    if s.unit is None and s.to is None:
        return "", (s.scale, s.offset), {}
    to = canonical(s.to) if s.to is not None else None
    unit = payload_unit(s.unit, to) if s.unit is not None else to
    if unit is None:  # pragma: no cover  # one of the two is given
        return "", (s.scale, s.offset), {}
    stored = to or base_of(unit)
    own = _line(conversion(unit, stored), s)
    if not says_unit:
        return stored.name, own, {}
    lines = {spelling: _line(conversion(u, stored), s) for spelling, u in spellings(stored).items()}
    return stored.name, own, lines


def _line(conversion_: tuple[object, object], s: ReadingSettings) -> Line:
    a, b = (float(part) for part in conversion_)  # type: ignore[arg-type]  # fractions
    return a * s.scale, a * s.offset + b
