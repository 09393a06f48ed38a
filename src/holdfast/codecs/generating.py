"""Profiles made from the maps of adapters that read typed values: nobody writes a profile for them.

Each map is two profiles. Values that are all good and of one time, as a poll's, go by fields, the fast way; those with
a quality or a time of their own go by `format: points`. Both mean the same by a name.
"""

from typing import Any

from msgspec.structs import asdict

from holdfast.codecs.loading import compile_profile
from holdfast.codecs.profiles import Profile
from holdfast.codecs.settings import FieldSettings, MapSettings, ProfileSettings, ProfilesFile, TimeSettings
from holdfast.kernel.documents import Document, Problem, Where
from holdfast.model.points import PointMap, PointSettings, ReadingSettings

_DEEP = 3
"""Steps of a problem's place before the point: profiles, name, fields."""


def profiles_of(found: PointMap, document: Document[Any], where: Where, problems: list[Problem]) -> list[Profile]:
    """The profiles of a map; what is wrong with it is told where it stands.

    document, where: where its points are written
    """
    name = f"{found.kind}.{found.name}"
    said: list[Problem] = []
    made: list[Profile] = []
    for key, settings in ((name, _fields(found)), (f"{name}.q", _points(found))):
        under = ("profiles", key, "map" if settings.map else "fields")
        lines = {(*under, *at[len(where) :]): n for at, n in document.lines.items() if at[: len(where)] == where}
        own = Document(document.path, ProfilesFile({key: settings}), lines)
        profile = compile_profile(own, key, settings, said)
        if profile is not None:
            made.append(profile)
    told = {(*where, *one.where[_DEEP:]): one.message for one in reversed(said)}
    problems += [document.problem(at, text) for at, text in told.items()]
    return made


def _fields(found: PointMap) -> ProfileSettings:
    return ProfileSettings(
        topic=found.topic,
        device="device",
        time=TimeSettings("ts", "us"),
        fields={name: FieldSettings(**_reading(point), optional=True) for name, point in found.points.items()},
    )


def _points(found: PointMap) -> ProfileSettings:
    return ProfileSettings(
        topic=f"{found.topic}/q",
        format="points",
        unknown="ignore",
        map={name: MapSettings(**_reading(point)) for name, point in found.points.items()},
    )


def _reading(point: PointSettings) -> dict[str, Any]:
    return {key: value for key, value in asdict(point).items() if key in ReadingSettings.__struct_fields__}
