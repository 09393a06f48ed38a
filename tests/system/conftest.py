"""Files that take longest begin first, so that no worker is left alone with one in the end; patience."""

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
    """A stable sort; every worker of xdist comes to the same order. Real processes may take a while to come up."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120))
