"""The kinds of what people do, as an audit is asked for them: GLOBs over a line's `what`."""

from fnmatch import fnmatchcase
from typing import Final

KINDS: Final = {
    "alerts": ("* /api/v1/alerts/*", "* /api/v1/sites/*/acts", "alert.* by *"),  # the latter: through the parent
    "silences": ("* /api/v1/silences*", "* /api/v1/maintenance*"),
    "channels": ("* /api/v1/channels/*",),
    "rules": ("* /api/v1/rules/*",),
    "models": ("* /api/v1/models/*",),
    "devices": ("* /api/v1/devices",),
    "commands": ("* /api/v1/devices/*/commands*",),
    "messages": ("* /api/v1/quarantine/*", "* /api/v1/queues/*"),
    "artifacts": ("* /api/v1/artifacts/*",),
    "people": ("people: *", "another password", "* /api/v1/people", "* /api/v1/me/password"),
    "logins": ("login*", "logout", "kiosk *", "* more * refused"),
    "settings": ("settings: *",),
}
"""By name, in the order they're offered. `tests/unit/web/test_audit.py` finds a change that has none."""


def kind_of(what: str) -> str:
    """Of which kind a line is; empty = none."""
    return next((name for name, globs in KINDS.items() if any(fnmatchcase(what, one) for one in globs)), "")
