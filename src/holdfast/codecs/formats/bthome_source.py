"""BTHome advertisements as a profile's messages: bind keys, repeats, and where in a message the bytes stand.

A message is the advertisement itself, or an object with it in hex beside `rssi`, `mac` and a time, as the `ble` adapter
and gateways send it. An advertisement goes out several times so that one of them arrives: of the same packet id (or
counter, when it's encrypted) from one device the first counts, and the others are skipped as `repeated`. The
specification compares with the previous one only; here that holds for `REPEATS_NS`, since a device may keep its packet
id while its values stay.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from holdfast.codecs.formats.bthome import Advertised, advertised
from holdfast.codecs.formats.bthome_keys import hex_bytes
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.instants import to_ns
from holdfast.codecs.profiles import Open, Profile
from holdfast.codecs.refused import Refused, malformed, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.settings import BthomeSettings
from holdfast.codecs.sink import NO_TIME, Origin, Sink
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.advertisement import SERVICE_DATA_16, data_of, structures
from holdfast.model.series import Kind

SERVICE = 0xFCD2
REPEATS_NS = 4 * NS_PER_S
RESTARTED = 100
"""A counter below it has begun anew (a new battery); any other that falls is somebody's recording."""
_MIC = 4
_SENDERS = 20_000
_LOUDEST = 200
"""dBm either way; JSON's whole numbers have no end, and floats do."""


class _Last(NamedTuple):
    """What a device sent last."""

    mark: tuple[str, int]
    at_ns: int


class BthomeSource:
    """Reads advertisements; one instance a profile, which remembers what each device sent last."""

    def __init__(self, profile: Profile, open_: Open) -> None:
        settings = open_.bthome or BthomeSettings()
        self._field, self._is_bare = settings.field, settings.of == "service_data"
        self._keys = {mac: AESCCM(key, tag_length=_MIC) for mac, key in open_.keys.items()}
        self._time = None if profile.time_path is None else ".".join(profile.time_path)
        self._unit, self._zone, self._time_optional = profile.time_unit, profile.zone, profile.time_optional
        self._last: dict[str, _Last] = {}

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put what is advertised into `sink`.

        Raises:
            Refused: when it's no BTHome v2, or can't be decrypted.
        """
        del message
        said: dict[str, Any] = {} if self._field is None else _object(payload)
        raw = payload if self._field is None else _bytes(said, self._field)
        time = self._told(said)
        mac = _mac(said.get("mac", origin.device))
        found = advertised(raw if self._is_bare else _service_data(raw), mac, self._unlock)
        if found.counter is None and mac in self._keys:
            raise Refused(RejectReason.UNSUPPORTED, "it has a bind key, and sends plain: perhaps somebody in its name")
        if self._is_repeat(origin.device, found, origin.received_ns if time == NO_TIME else time):
            sink.skip("repeated")
            return
        for value in found.values:
            sink.add(origin.device, value.name, value.value, value.kind, value.unit or None, time)
        rssi = said.get("rssi")
        if isinstance(rssi, int) and not isinstance(rssi, bool) and abs(rssi) < _LOUDEST:
            sink.add(origin.device, "rssi", rssi, Kind.INT, "dBm", time)
        if found.is_cut:
            sink.skip("unknown_object")

    def _told(self, said: Mapping[str, Any]) -> int:
        if self._time is None:
            return NO_TIME
        value = said.get(self._time)
        if value is None and not self._time_optional:
            raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{self._time}`")
        return NO_TIME if value is None else to_ns(value, self._unit, self._zone)

    def _unlock(self, mac: bytes, nonce: bytes, sealed: bytes) -> bytes | None:
        key = self._keys.get(mac)
        if key is None:
            who = mac.hex(":").upper() if mac else "a sender without a MAC"
            detail = f"encrypted, and there is no bind key of {who} in the file that `bthome: keys:` names"
            raise Refused(RejectReason.UNSUPPORTED, detail)
        try:
            return key.decrypt(nonce, sealed, None)
        except InvalidTag:
            return None

    def _is_repeat(self, device: str, found: Advertised, at_ns: int) -> bool:
        mark = ("counter", found.counter) if found.counter is not None else ("packet", found.packet_id)
        if mark[1] is None:
            return False
        last = self._last.get(device)
        if last is not None and last.mark[0] == "counter" == mark[0]:
            if mark[1] == last.mark[1]:
                return True
            if RESTARTED <= mark[1] < last.mark[1]:
                raise Refused(RejectReason.UNSUPPORTED, f"counter {mark[1]} after {last.mark[1]}: played back")
        elif last is not None and last.mark == mark and abs(at_ns - last.at_ns) < REPEATS_NS:
            return True
        if len(self._last) >= _SENDERS and device not in self._last:
            self._last.clear()  # hostile names can't grow it
        self._last[device] = _Last((mark[0], mark[1]), at_ns)
        return False


def _object(payload: bytes) -> dict[str, Any]:
    said = decode_json(payload)
    return said if isinstance(said, dict) else wrong("the payload is no object")


def _bytes(said: Mapping[str, Any], field: str) -> bytes:
    text = said.get(field)
    if text is None:
        raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{field}`")
    if not isinstance(text, str):
        wrong(f"`{field}` is no text")
    try:
        return bytes.fromhex(text)
    except ValueError:
        malformed(f"`{field}` is no hex")


def _service_data(advertisement: bytes) -> bytes:
    found = data_of(advertisement, SERVICE_DATA_16, SERVICE)
    if found is not None:
        return found
    if not structures(advertisement)[1]:
        malformed("an advertisement's structure is cut off")
    return malformed(f"no service data of 0x{SERVICE:04X} in the advertisement")


def _mac(said: Any) -> bytes:
    """A MAC as people write it; b"" where this is none."""
    found = hex_bytes(said) if isinstance(said, str) else b""
    return found if len(found) == 6 else b""
