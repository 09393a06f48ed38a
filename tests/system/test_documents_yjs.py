"""Yjs itself, in JavaScript, edits documents through a node's HTTP doors, beside the library."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.documents.site import Documents, eventually
from tests.system.npm import NODE, fetched

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The foreign client with its packages, pinned by hash in its lock file."""
    return fetched(Path(__file__).parent / "documents" / "yjs", tmp_path_factory.mktemp("yjs")) / "client.mjs"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Documents]:
    one = Documents(tmp_path)
    one.prepare()
    one.bring_up("hub", "gw1")
    yield one
    one.stop()


def javascript(client: Path, site: Documents, action: str) -> subprocess.Popen[str]:
    command = [str(NODE), str(client), site.url("gw1"), str(site.folder / "gw1-app.token"), action]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


@pytest.mark.timeout(120)
def test_yjs_and_the_library_edit_one_document(client: Path, site: Documents) -> None:
    assert site.ask("py", "gw1", "set", "from-python", "yes") == "True"
    said = told(javascript(client, site, "edit"))
    assert said["pushed"]["status"] == 200
    assert said["m"] == {"from-python": "yes", "from": "Yjs", "list": [1, "two", None, {"three": [3.5]}]}
    assert (said["text"], said["sum"]) == ("Grüße 😀 ", 7)
    assert eventually(lambda: "Yjs" in site.ask("far", "hub", "read", 1))  # by the gateway and the link
    keys, counted, _ = json.loads(site.ask("far", "hub", "read", 1))
    assert counted == 7
    assert keys["list"] == [1, "two", None, {"three": [3.5]}]


@pytest.mark.timeout(120)
def test_an_edit_on_edits_that_the_node_lacks_is_answered_with_its_state(client: Path, site: Documents) -> None:
    said = told(javascript(client, site, "gap"))
    assert said["pushed"] == {"status": 200, "said": said["pushed"]["said"]}
    assert json.loads(site.ask("py", "gw1", "read", 1))[0] == {"one": 1, "two": 2}


@pytest.mark.timeout(120)
def test_a_waiting_reader_is_answered_when_somebody_edits(client: Path, site: Documents) -> None:
    waiting = javascript(client, site, "wait")
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "waiting\n"
    assert site.ask("py", "gw1", "set", "news", "here") == "True"
    said = told(waiting)
    assert (said["status"], said["m"]) == (200, {"news": "here"})
