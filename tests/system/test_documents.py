"""Documents edited on both sides of a cut link, by real processes that are killed, come out the same everywhere."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.system.documents.site import NODES, Documents, eventually

from holdfast.sync.document import Document
from holdfast.sync.node import Node

# A cable's loop that ends with a connection open is the test's own; the garbage collector tells of it anywhere.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Documents]:
    one = Documents(tmp_path)
    one.prepare()
    yield one
    one.stop()


@pytest.mark.timeout(120)
def test_offline_edits_on_both_sides_of_a_cut_link_meet(site: Documents) -> None:
    site.bring_up(*NODES)
    assert site.ask("a", "gw1", "set", "first", "everywhere") == "True"
    assert eventually(lambda: "everywhere" in site.ask("b", "gw2", "read", 1))
    site.links["gw1"].cut()
    assert site.ask("a", "gw1", "set", "gateway", "edited here") == "True"
    assert site.ask("c", "hub", "set", "hub", "edited there") == "True"
    assert json.loads(site.ask("b", "gw2", "read", 2))[0] == {"first": "everywhere", "hub": "edited there"}
    site.links["gw1"].restore()
    whole = {"first": "everywhere", "gateway": "edited here", "hub": "edited there"}
    for label, node in (("a", "gw1"), ("b", "gw2"), ("c", "hub")):
        assert eventually(lambda label=label, node=node: json.loads(site.ask(label, node, "read", 1))[0] == whole), (  # type: ignore[misc]
            site.log(node)
        )


@pytest.mark.timeout(240)
def test_counts_stay_exact_while_nodes_and_applications_are_killed_and_links_cut(site: Documents) -> None:
    """Each addition is one edit with a mark of its own: the counter must be the number of marks, and none may lack."""
    site.bring_up(*NODES)
    kills = 0
    places = {"a": "gw1", "b": "gw2", "c": "hub"}
    for label, node in places.items():
        site.app(label, node, "count", 2000, 0.004)
    for turn, victim in enumerate(("gw1", "a", "hub", "b", "gw2", "c", "gw1", "a", "hub")):
        link = site.links["gw1" if turn % 3 else "gw2"]
        (link.cut if turn % 2 else link.restore)()
        time.sleep(0.8)
        site.kill(victim)
        if victim in places:
            kills += 1
            site.app(victim, places[victim], "count", 2000, 0.004)
        else:
            site.start(victim)
    time.sleep(1.5)
    for label in places:
        site.kill(label)
        kills += 1
    for gateway in ("gw1", "gw2"):
        site.links[gateway].restore()
    acked = sum((site.folder / f"{label}.acked").read_bytes().count(b"1") for label in places)
    assert acked > 500
    for label, node in places.items():
        assert site.ask(label, node, "set", f"done-{label}", "yes") == "True", site.log(
            node
        )  # what waited is sent, too

    def found(label: str, node: str) -> tuple[int, int]:
        keys, counted, size = json.loads(site.ask(label, node, "read", 1))
        return counted, size - len(keys)

    assert eventually(lambda: len({found(label, node) for label, node in places.items()}) == 1)
    counted, marks = found("c", "hub")
    assert counted == marks
    assert acked <= counted <= acked + kills


def opened(site: Documents, label: str, node: str) -> Document:
    ca = site.folder / "ca.pem" if node == "hub" else None
    return Document("shared", Node(site.url(node), site.folder / f"{node}-app.token", ca), site.folder / f"{label}.db")


@pytest.mark.timeout(120)
def test_a_node_put_back_to_an_old_image_is_given_everything_again_by_its_applications(site: Documents) -> None:
    data, image = site.folder / "gw1", site.folder / "image"
    site.bring_up("gw1")  # with no hub to have it from
    with opened(site, "a", "gw1") as document:
        document.map("m")["old"] = 1
        assert document.flush(20)
        site.kill("gw1")
        shutil.copytree(data, image)
        site.bring_up("gw1")
        with document.edit():
            document.map("m")["new"] = 2
            del document.map("m")["old"]
        assert document.flush(20)
        site.kill("gw1")
        shutil.rmtree(data)
        shutil.copytree(image, data)
        site.bring_up("gw1")
        with opened(site, "b", "gw1") as other:

            def both() -> dict[str, int]:
                other.wait(0.2)
                return other.map("m").to_py() or {}

            assert eventually(lambda: both() == {"new": 2}), (both(), document.trouble, site.log("gw1"))


@pytest.mark.timeout(120)
def test_an_application_without_a_right_token_is_told_and_keeps_its_edits(site: Documents) -> None:
    site.bring_up("gw1")
    token = site.folder / "gw1-app.token"
    right = token.read_text()
    token.write_text((site.folder / "gw2-app.token").read_text())
    with opened(site, "a", "gw1") as document:
        document.map("m")["a"] = 1
        assert not document.flush(1.5)
        assert "token" in document.trouble
        token.write_text(right)
        assert document.flush(30)
        assert eventually(lambda: document.trouble == "")


@pytest.mark.timeout(120)
def test_the_node_says_how_its_documents_are(site: Documents) -> None:
    site.bring_up("hub", "gw1")
    assert site.ask("a", "gw1", "set", "x", "y") == "True"
    said = [sys.executable, "-m", "holdfast", "status", str(site.folder / "gw1.yaml")]

    def status() -> str:
        return subprocess.run(said, capture_output=True, text=True, check=True).stdout

    assert eventually(lambda: "exchange up; 0 with edits that the parent lacks" in status()), status()
    metrics = urlopen(f"{site.url('gw1')}/metrics").read().decode()  # noqa: S310
    for line in ("holdfast_documents 1.0", "holdfast_documents_waiting 0.0", "holdfast_document_exchanges_total"):
        assert line in metrics
    site.kill("hub")
    assert eventually(lambda: "exchange down (" in status()), status()
