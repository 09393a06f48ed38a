"""`ble:` in node.yaml: Bluetooth LE advertisements."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration

U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
FILE = "file:"
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class KindSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes an advertisement one of a kind: data of a company, or of a service with a 16-bit UUID."""

    company: U16 | None = None
    service: U16 | None = None


def _kinds() -> dict[str, KindSettings]:
    return {"ruuvi": KindSettings(company=0x0499), "bthome": KindSettings(service=0xFCD2)}


class BleSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is listened to. An advertisement of a kind is a message on `KIND/NAME/MAC`; all others are left out.

    source:  the radio, as `hci0`; or `file:PATH`, a recording: btsnoop, as `btmon -w` writes it, or lines of hex
    repeats: the very same bytes from one device again within so long are one advertisement, sent more than once
    speed:   of a recording: 1 = as fast as it was made, 100 = a hundred times, 0 = as fast as they're taken
    follow:  the recording is still being written: wait for more at its end
    """

    source: str = "hci0"
    kinds: dict[str, KindSettings] = field(default_factory=_kinds)
    repeats: Duration = 4.0
    speed: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    follow: bool = False

    @property
    def file(self) -> str | None:
        """The recording's path; None = a radio."""
        return self.source.removeprefix(FILE) if self.source.startswith(FILE) else None

    def by_company(self) -> Mapping[int, str]:
        """The kind by its company."""
        return {one.company: word for word, one in self.kinds.items() if one.company is not None}

    def by_service(self) -> Mapping[int, str]:
        """The kind by its service."""
        return {one.service: word for word, one in self.kinds.items() if one.service is not None}

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself: (key, what to do)."""
        if self.file is None and not re.fullmatch(r"hci\d{1,3}", self.source):
            yield ("source",), "a radio such as `hci0` (`bluetoothctl list` shows them), or `file:PATH`"
        if self.file == "":
            yield ("source",), "`file:` and the recording's path"
        if not self.kinds:
            yield ("kinds",), "nothing is listened for: name at least one kind"
        seen: set[tuple[int | None, int | None]] = set()
        for word, one in self.kinds.items():
            if not _WORD.fullmatch(word):
                yield ("kinds", word), "a kind is the first level of a topic: letters, digits, `_`, `-`"
            if (one.company is None) is (one.service is None):
                yield ("kinds", word), "either `company` or `service`, as 0x0499"
            if (one.company, one.service) in seen:
                yield ("kinds", word), "another kind is told by the same number"
            seen.add((one.company, one.service))
