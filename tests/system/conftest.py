"""Files that take longest begin first, so that no worker is left alone with one in the end."""

import pytest

LONGEST = (
    "test_kill",
    "test_people",
    "test_disk_full",
    "test_documents",
    "test_queues",
    "test_elsewhere",
    "test_asking",
    "test_faults",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A stable sort; every worker of xdist comes to the same order."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
