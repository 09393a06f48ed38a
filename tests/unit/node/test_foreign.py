"""What may be dropped while routes still want rows, and what node.yaml says wrong about brokers and routes."""

from pathlib import Path
from typing import cast

import pytest

from holdfast.journal.relief import Delivered
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.lane import Lane
from holdfast.node.foreign import held_back
from holdfast.node.settings import read_plan
from holdfast.routes.service import Route


class Marks:
    """The part of a route that says how far it is."""

    def __init__(self, **marks: int) -> None:
        self._marks = {Lane[name.upper()]: mark for name, mark in marks.items()}

    def delivered(self, lane: Lane) -> int | None:
        return self._marks.get(lane)


def routes(*marks: Marks) -> list[Route]:
    return cast("list[Route]", list(marks))


def all_at(seq: int) -> dict[Lane, int]:
    return dict.fromkeys(Lane, seq)


def test_a_row_is_safe_to_drop_when_every_route_has_it_too() -> None:
    found = held_back(Delivered(all_at(9), all_at(8)), routes(Marks(bulk=5), Marks(bulk=3, critical=2)), is_end=False)
    assert found.safe[Lane.BULK] == 3
    assert found.safe[Lane.CRITICAL] == 2
    assert found.safe[Lane.NORMAL] == 8
    assert found.applied == all_at(9)


def test_rows_that_end_here_but_for_routes_count_as_delivered_once_all_have_them() -> None:
    found = held_back(Delivered(all_at(0), all_at(0), is_top=True), routes(Marks(bulk=5), Marks(bulk=7)), is_end=True)
    assert found.applied[Lane.BULK] == found.safe[Lane.BULK] == 5
    assert found.applied[Lane.CRITICAL] == 0
    assert found.is_top


def test_without_routes_nothing_changes() -> None:
    before = Delivered(all_at(9), all_at(8))
    assert held_back(before, [], is_end=True) is before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("routes: {r: {to: {url: 'http://x'}, events: {}}}", "mqtts://host:8883"),
        ("routes: {r: {to: {url: 'mqtt://x'}}}", "takes nothing"),
        ("routes: {r: {to: {url: 'mqtt://x', ca: ca.pem}, events: {}}}", "needs TLS"),
        ("routes: {r: {to: {url: 'mqtts://x', certificate: c}, events: {}}}", "belong together"),
        ("routes: {r: {to: {url: 'mqtt://x'}, readings: {format: flat}}}", "{metric}"),
        ("routes: {r: {to: {url: 'mqtt://x'}, events: {}, max_payload: 10B}}", "at least 1000"),
        ("brokers: {b: {url: 'mqtt://x', subscribe: {}}}", "at least one filter"),
        ("brokers: {b: {url: 'mqtt://x', subscribe: {'a/#/b': 1}}}", "only at the end"),
        ("brokers: {b: {url: 'mqtt://x', subscribe: {a: 1}, password: p, version: v3.1.1}}", "username"),
        ("brokers: {b: {url: 'mqtt://u:p@x', subscribe: {a: 1}}}", "keys of their own"),
        ("brokers: {b: {url: 'mqtt://x', subscribe: {a: 1}, keep_alive: 0s}}", "16 bits"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_to_do(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "node.yaml").write_text(f"node: gw\nprofiles: ['builtin:host']\n{text}\n")
    with pytest.raises(SettingsInvalid) as refused:
        read_plan(tmp_path / "node.yaml")
    assert words in str(refused.value)
