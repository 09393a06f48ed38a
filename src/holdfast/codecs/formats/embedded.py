"""A binary payload inside a text member of an object: hex or base64, in a Bluetooth advertisement or plain."""

import base64
import binascii
from typing import Any

from holdfast.codecs.profiles import Decode
from holdfast.codecs.refused import Refused, malformed, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.settings import EmbeddedSettings
from holdfast.model.advertisement import MANUFACTURER_DATA, data_of, structures


class EmbeddedDecoder:
    """Decodes an object and puts what its member holds beside that member."""

    def __init__(self, outer: Decode, inner: Decode, settings: EmbeddedSettings) -> None:
        self._outer, self._inner, self._settings = outer, inner, settings

    def __call__(self, payload: bytes) -> Any:
        """The object with the members of what it holds.

        Raises:
            Refused: when either can't be read.
        """
        decoded = self._outer(payload)
        if not isinstance(decoded, dict):
            wrong("the payload is no object")
        text = decoded.get(self._settings.field)
        if text is None and self._settings.optional:
            return decoded
        if text is None:
            raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{self._settings.field}`")
        if not isinstance(text, str):
            wrong(f"`{self._settings.field}` is no text")
        raw = self._bytes(text)
        if self._settings.ble_company is not None:
            raw = manufacturer_data(raw, self._settings.ble_company)
        return decoded | self._inner(raw)

    def _bytes(self, text: str) -> bytes:
        try:
            if self._settings.encoding == "hex":
                return bytes.fromhex(text)
            return base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            malformed(f"`{self._settings.field}` is no {self._settings.encoding}")


def manufacturer_data(advertisement: bytes, company: int) -> bytes:
    """The manufacturer data of one company in a Bluetooth advertisement (Core 5.4, Vol 3 Part C §11).

    Raises:
        Refused: when there's none or the structures don't fit.
    """
    found = data_of(advertisement, MANUFACTURER_DATA, company)
    if found is not None:
        return found
    if not structures(advertisement)[1]:
        malformed("an advertisement's structure is cut off")
    return malformed(f"no manufacturer data of company 0x{company:04X} in the advertisement")
