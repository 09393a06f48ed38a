"""Shared by all: Hypothesis without wall-clock deadlines, which a busy two-core machine would break; long tests."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("same", settings.get_profile("default"), derandomize=True)
settings.load_profile("default")

LONG = Path(__file__).parent / "long.txt"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what tests/long.txt names, `make durations` having measured it: `make check` leaves it to `make test`."""
    long = frozenset(LONG.read_text().splitlines())
    for item in items:
        if item.nodeid.partition("[")[0] in long:
            item.add_marker("long")
