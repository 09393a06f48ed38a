"""Where a source puts what it reads: columns of one micro-batch, message by message, each taken whole or not at all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.codecs.naming import NOWHERE, Key, Naming, Target
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.replies import Reply
from holdfast.codecs.structs import EXACT
from holdfast.model.points import Scalar
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Kind

NO_TIME = -(1 << 63)
"""The time of a reading whose device told none."""
MAX_READINGS = 10_000
"""Of one message."""
MAX_TEXT = 4096
_INEXACT = encode_quality(Quality.UNCERTAIN, Reason.INEXACT)
DEVICE_SAID_BAD = encode_quality(Quality.BAD, Reason.DEVICE_SAID_SO)
DEVICE_SAID_UNCERTAIN = encode_quality(Quality.UNCERTAIN, Reason.DEVICE_SAID_SO)
NOT_A_NUMBER = encode_quality(Quality.BAD, Reason.NOT_A_NUMBER)
OFFLINE = encode_quality(Quality.BAD, Reason.OFFLINE)
_NAN = float("nan")
_LARGEST = 2**1023
"""Whole numbers beyond it may be none as float64; JSON's and CBOR's have no end."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run of messages came from. captures: of its topic; context: their values."""

    topic: str
    device: str
    captures: Mapping[str, str] = field(default_factory=dict)
    context: tuple[str, ...] = ()
    received_ns: int = 0


class Sink:
    """Readings of a micro-batch as columns. skipped: what was left out, by why; keys: (message, device, id)."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._targets = naming.targets
        self._captures: Mapping[str, str] = {}
        self._context: tuple[str, ...] = ()
        self._text_at: dict[str, int] = {}
        self._message = 0
        self._first = 0
        self.sender = ""
        """Who the present message says it is from, as soon as its source knows; a refusal is put down to it."""
        self.messages: list[int] = []
        self.slots: list[int] = []
        self.values: list[float] = []
        self.times: list[int] = []
        self.codes: list[int] = []
        self.texts: list[str] = []
        self.ids: dict[int, tuple[str, int | str]] = {}
        self.historical: set[int] = set()
        self.replies: list[Reply] = []
        """What is owed to senders, by the messages' places here; also for messages that are refused."""
        self.skipped: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()

    def begin(self, message: int, origin: Origin) -> None:
        """What is added from here on belongs to this message."""
        self._message, self._first, self.sender = message, len(self.values), ""
        self._captures, self._context = origin.captures, origin.context
        self._pending.clear()

    def finish(self) -> None:
        """The message is taken."""
        if self._pending:
            self.skipped.update(self._pending)
        if len(self.values) == self._first:
            self.skipped["empty_message"] += 1

    def undo(self) -> None:
        """The message is refused; its texts stay and do no harm."""
        for column in (self.messages, self.slots, self.values, self.times, self.codes):
            del column[self._first :]
        self.ids.pop(self._message, None)
        self.historical.discard(self._message)

    def skip(self, why: str, count: int = 1) -> None:
        """Parts of the message that can't become readings."""
        self._pending[why] += count

    def reply(self, message: int, topic: str, payload: bytes) -> None:
        """Owe the sender of a message an answer."""
        self.replies.append(Reply(message, topic, payload))

    def add(
        self,
        device: str,
        name: str,
        value: Scalar | None,
        kind: Kind | None,
        unit: str | None = None,
        time: int = NO_TIME,
        code: int = 0,
    ) -> None:
        """One reading. value: None = there is none, and `code` says how bad that is; time: ns UTC.

        Raises:
            Refused: when the profile can't take it.
        """
        key = Key(device, self._context, name, unit, kind)
        target = self._targets.get(key) or self._naming.target(key, self._captures)
        if target is NOWHERE:
            return
        if value is None:
            value = _NAN
        elif target.convert is not None:
            value = target.convert(value)
            if value is None:
                return
        if isinstance(value, str):
            value = self._position(value) if target.is_text else wrong(f"`{name}` is no number")
        elif not -EXACT <= value <= EXACT:
            code = _of_large(name, value, target, code)
        if len(self.values) - self._first >= MAX_READINGS:
            raise Refused(RejectReason.TOO_LARGE, f"more than {MAX_READINGS} readings in one message")
        self.messages.append(self._message)
        self.slots.append(target.slot)
        self.values.append(value)
        self.times.append(time)
        self.codes.append(code)

    def _position(self, text: str) -> int:
        at = self._text_at.get(text)
        if at is None:
            if len(text) > MAX_TEXT:
                wrong(f"a text of {len(text)} characters; at most {MAX_TEXT} are taken")
            try:
                text.encode()
            except UnicodeEncodeError:
                raise Refused(RejectReason.MALFORMED, "a text holds half a surrogate pair") from None
            at = self._text_at[text] = len(self.texts)
            self.texts.append(text)
        return at


def _of_large(name: str, value: float, target: Target, code: int) -> int:
    """The quality of a number that float64 doesn't hold to the last digit, or that is none.

    Raises:
        Refused: when it's beyond float64.
    """
    if type(value) is int and not -_LARGEST <= value <= _LARGEST:
        raise Refused(RejectReason.NOT_A_NUMBER, f"`{name[:80]}` is beyond float64")
    return code or _INEXACT if target.is_int else code
