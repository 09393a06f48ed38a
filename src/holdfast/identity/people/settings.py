"""`people:` in node.yaml: who is believed, and how long."""

from msgspec import Struct

from holdfast.kernel.scalars import Duration

Finding = tuple[tuple[str | int, ...], str]


class PeopleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Login for people; names and hashes are in `people.json` in the data folder."""

    idle: Duration = 12 * 3600.0
    """A session that nobody used for so long is over."""
    longest: Duration = 7 * 86_400.0
    """A session is over after this, used or not."""
    sessions: int = 1000
    """So many at once, of all people; beyond it the one that was unused longest ends."""

    def findings(self) -> list[Finding]:
        """What is wrong beyond types: where, and what to do."""
        found: list[Finding] = [
            ((name,), "at least 1m, as in 12h") for name in ("idle", "longest") if getattr(self, name) < 60
        ]
        if not 1 <= self.sessions <= 10_000:
            found.append((("sessions",), "from 1 to 10,000"))
        return found
