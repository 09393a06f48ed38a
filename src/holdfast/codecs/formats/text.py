"""Plain text: one value a message, named by its topic (ESPHome, Homie-like trees, Shelly gen 1)."""

import math

from holdfast.codecs.announced import Announced
from holdfast.codecs.naming import Naming, fill
from holdfast.codecs.profiles import Open
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import MAX_TEXT, Origin, Sink
from holdfast.model.series import Kind

_LONGEST_NUMBER = 40


class TextSource:
    """Reads one value: a number where it is one, otherwise text; the profile's map says what the words mean."""

    def __init__(self, open_: Open, naming: Naming, announced: Announced) -> None:
        self._name, self._naming, self._announced = open_.name, naming, announced

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the value into `sink`; an empty payload clears a retained message and is none.

        Raises:
            Refused: when it isn't text or can't be what the profile says.
        """
        del message
        name = fill(self._name, origin.captures)
        if not payload or not self._naming.is_wanted(name):
            return
        if len(payload) > MAX_TEXT:
            raise Refused(RejectReason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_TEXT} are taken as one value")
        text = payload.decode().strip()
        known = self._announced.get(origin.topic)
        unit = known.unit if known is not None and known.unit else None
        number = number_in(text)
        if number is None:
            sink.add(origin.device, name, text, Kind.TEXT, unit)
        elif math.isfinite(number):
            sink.add(origin.device, name, number, Kind.FLOAT, unit)
        else:
            raise Refused(RejectReason.NOT_A_NUMBER, f"`{text}` is not a finite number")


def number_in(text: str) -> float | None:
    """The number that `text` is, in ASCII digits; None when it's a word."""
    if len(text) > _LONGEST_NUMBER or not text.isascii() or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) or text.lstrip("+-").isdigit() else None
