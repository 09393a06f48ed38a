"""Which source reads which format. One instance a profile: what it remembers (Sparkplug births) is the profile's."""

from collections.abc import Callable
from typing import Protocol

from holdfast.codecs.announced import Announced
from holdfast.codecs.formats.announcements import AnnouncementSource
from holdfast.codecs.formats.cayenne import CayenneSource
from holdfast.codecs.formats.homie import HomieSource
from holdfast.codecs.formats.influx import InfluxSource
from holdfast.codecs.formats.opcua import OpcUaSource
from holdfast.codecs.formats.points import PointsSource
from holdfast.codecs.formats.senml import SenmlSource
from holdfast.codecs.formats.text import TextSource
from holdfast.codecs.leaves import ObjectSource
from holdfast.codecs.lorawan.records import RecordSource
from holdfast.codecs.naming import Naming
from holdfast.codecs.profiles import Open, Profile
from holdfast.codecs.sink import Origin, Sink


class Source(Protocol):
    """Reads payloads of one format."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the payload's readings into `sink`.

        Raises:
            Refused: when it can't be taken. RecursionError and UnicodeDecodeError mean the same.
        """


class Nothing:
    """Takes messages that are no readings, so that they aren't refused."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Take it, and make nothing of it."""


def source_of(profile: Profile, open_: Open, naming: Naming, announced: Announced) -> Source:
    """The source of a profile."""
    if open_.decode is not None:
        return ObjectSource(profile, open_, open_.decode, naming, announced)
    if profile.format == "text":
        return TextSource(open_, naming, announced)
    return _MAKERS.get(profile.format, _nothing)(profile, open_, announced)


def _nothing(_: Profile, __: Open, ___: Announced) -> Source:
    return Nothing()


def _sparkplug(_: Profile, open_: Open, ___: Announced) -> Source:
    # Its protobuf runtime is an extra: imported where a profile wants it, and looked for when that was loaded.
    from holdfast.codecs.formats.sparkplug import SparkplugSource  # noqa: PLC0415 - see above

    return SparkplugSource(open_.rebirth_ns)


def _bthome(profile: Profile, open_: Open, _: Announced) -> Source:
    # What it deciphers with is imported for those who have such sensors only.
    from holdfast.codecs.formats.bthome_source import BthomeSource  # noqa: PLC0415 - see above

    return BthomeSource(profile, open_)


_MAKERS: dict[str, Callable[[Profile, Open, Announced], Source]] = {
    "senml": lambda _, __, ___: SenmlSource(),
    "cayenne": lambda _, __, ___: CayenneSource(),
    "bthome": _bthome,
    "lorawan": lambda _, __, ___: RecordSource(),
    "influx": lambda profile, open_, _: InfluxSource(profile, open_),
    "sparkplug": _sparkplug,
    "opcua": lambda _, __, ___: OpcUaSource(),
    "points": lambda _, __, ___: PointsSource(),
    "homie": lambda _, __, announced: HomieSource(announced),
    "announcement": lambda _, __, announced: AnnouncementSource(announced),
}
