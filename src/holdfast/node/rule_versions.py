"""Who changed which rule when, and what it was before: a bounded history a rule, in files beside the rules.

A version is written before what it tells of is in force, so that no change goes without its name: after a power cut the
last version may be of a change that never came to be, and the next one says what was really there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from holdfast.storage.files import write_atomic

HISTORY = "history"
MOST_VERSIONS, MOST_BYTES, MOST_RULES = 50, 1 << 20, 2_000
Did = Literal["made", "changed", "switched on", "switched off", "removed", "undone"]


class Version(msgspec.Struct, frozen=True):
    """A rule after a change. text: as written, None = it isn't here, or is in a file of the operator's own."""

    n: int
    at_ns: int
    by: str
    did: Did
    text: str | None
    on: bool


class Versions:
    """The histories in a folder. Blocking."""

    def __init__(self, page: Path) -> None:
        """page: the folder of rules that are made from the page."""
        self._folder = page / HISTORY

    def of(self, rule: str) -> list[Version]:
        """Oldest first; what can't be read is no history."""
        try:
            return msgspec.json.decode(self._file(rule).read_bytes(), type=list[Version])
        except (OSError, msgspec.DecodeError):
            return []

    def add(self, rule: str, one: Version) -> None:
        """Keep it; the oldest go.

        Raises:
            StorageUnusable: when it can't be written.
        """
        kept = [*self.of(rule), one][-MOST_VERSIONS:]
        while len(kept) > 2 and sum(len(v.text or "") for v in kept) > MOST_BYTES:
            kept = kept[1:]
        is_new = not self._file(rule).exists()
        write_atomic(self._file(rule), msgspec.json.encode(kept))
        if is_new:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[: max(0, len(files) - MOST_RULES)]:
            file.unlink(missing_ok=True)

    def _file(self, rule: str) -> Path:
        return self._folder / f"{rule}.json"


def before(versions: Sequence[Version]) -> Version | None:
    """What was there before the latest change; None: nothing is known of it."""
    if not versions:
        return None
    if len(versions) > 1:
        return versions[-2]
    last = versions[-1]
    match last.did:
        case "made":
            return Version(0, 0, "", "removed", None, on=True)
        case "switched on" | "switched off":
            return Version(0, 0, "", "changed", last.text, on=not last.on)
    return None
