"""Near names, for faults."""

import difflib
from collections.abc import Iterable


def near(name: str, among: Iterable[str]) -> str:
    """`; did you mean …?` when a known name is near, else nothing."""
    found = difflib.get_close_matches(name, list(among), 1)
    return f"; did you mean `{found[0]}`?" if found else ""
