"""Versions of a model in a real node: tried in shadow, let act, taken back, with the power cut in between."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.system.models.site import ModelSite
from tests.waiting import wait_until
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.inference.store import SHIPPED
from holdfast.sim.fleet.recording import load_recording

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
SETTINGS = """models:
  deploy:
    room: {model: builtin:occupancy, budget: 1m, record: [score, version], life: {block: 60s, confidence: 0.9},
           alert: {when: "score > 0.5", severity: info}}
"""
KEPT = ("temperature", "humidity", "light", "co2")
OLD, NEW = "occupancy@1.0.0", "occupancy@2.0.0"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ModelSite]:
    one = ModelSite(tmp_path, SETTINGS)
    folder = tmp_path / "data" / "models" / "occupancy" / "2.0.0"
    shutil.copytree(SHIPPED / "occupancy", folder)
    card = (folder / "model.yaml").read_text()
    assert "version: 1.0.0" in card
    (folder / "model.yaml").write_text(card.replace("version: 1.0.0", "version: 2.0.0"))
    one.start()
    yield one
    one.node.kill()


def model(site: ModelSite, *words: object, code: int | None = None) -> Any:
    did, *rest = words
    found = CliRunner().invoke(app, ["model", str(did), str(site.node.folder / "node.yaml"), *map(str, rest), "--json"])
    assert code is None or found.exit_code == code, found.output
    return json.loads(found.stdout) if found.stdout else found.stderr


def send(site: ModelSite, devices: int, first: int, last: int) -> None:
    rows = load_recording()[first:last]
    began = 1_790_000_000 * 10**9
    ts = [began + (first + n) * 60 * 10**9 for n in range(len(rows))]
    for device in range(devices):
        site.send(f"r{device}", [{name: getattr(row, name) for name in KEPT} for row in rows], ts)


def shares(status: Any) -> dict[str, tuple[str, float]]:
    return {one["ref"]: (one["state"], one["share"]) for one in status["versions"]}


def test_a_version_is_tried_let_act_and_taken_back_and_a_kill_forgets_nothing(site: ModelSite) -> None:
    assert "never ran in shadow" in model(site, "promote", "room", NEW, code=2)
    model(site, "shadow", "room", NEW, "--by", "ann", code=0)
    send(site, 4, 0, 60)
    wait_until(lambda: [one["rows"] > 100 for one in model(site, "report", "room")["comparisons"]] == [True])
    (compared,) = model(site, "report", "room")["comparisons"]
    assert (compared["version"], compared["against"], compared["agreement"]) == (NEW, OLD, 1.0)
    said = {value for device in range(4) for _, value, _ in site.rows(f"r{device}", "ml.room.version")}
    assert len(said) == 1  # the shadow was never heard
    model(site, "canary", "room", NEW, 50, "--by", "ann", code=0)
    site.node.kill()

    site.start(3)  # the two before the kill, and both again
    assert shares(model(site, "status", "room")) == {OLD: ("active", 50.0), NEW: ("canary", 50.0)}
    wait_until(lambda: site.node.says("ModelAtWork", 4))
    send(site, 8, 60, 120)
    wait_until(lambda: bool(site.rows("r7", "ml.room.version")))
    heard = [{value for _, value, _ in site.rows(f"r{device}", "ml.room.version")} for device in range(4, 8)]
    assert max(map(len, heard)) == 1  # new devices: each hears one version, and always the same
    assert len(set.union(*heard)) == 2
    model(site, "promote", "room", NEW, "--by", "ann", code=0)
    done = model(site, "rollback", "room", "--by", "bob", "--why", "odd", code=0)
    assert done["active"] == OLD
    site.node.kill()

    site.start(5)
    found = model(site, "status", "room")
    assert shares(found) == {OLD: ("active", 100.0), NEW: ("retired", 0.0)}
    assert [(one["by"], one["do"], one["why"]) for one in found["history"][:1]] == [("bob", "rollback", "odd")]
    assert "was taken back: odd" in model(site, "promote", "room", NEW, code=2)


def test_what_operators_say_of_alerts_are_labels_that_models_are_judged_by(site: ModelSite) -> None:
    url = f"http://127.0.0.1:{site.api}/api/v1/alerts"
    send(site, 1, 0, 120)
    wait_until(lambda: len(httpx.get(f"{url}?state=all").json()) > 0)
    alert = httpx.get(f"{url}?state=all").json()[0]
    said = httpx.post(f"{url}/{alert['id']}/label", json={"label": "rejected", "by": "ann", "comment": "nobody here"})
    assert said.status_code == 200, said.text
    wait_until(lambda: len(labels(site)) > 0)
    (label,) = labels(site)
    assert (label["device"], label["label"], label["source"], label["by"]) == ("r0", "empty", "alert", "ann")
    assert label["start_ns"] <= label["end_ns"]
    wait_until(lambda: model(site, "drift", "room")["labelled"] > 0)
    assert model(site, "status", "room")["labels"] == {"confirmed": 0, "rejected": 1, "given": 0}
    again = httpx.post(f"{url}/{alert['id']}/label", json={"label": "confirmed", "by": "bob"})
    assert again.status_code == 200
    wait_until(lambda: [one["label"] for one in labels(site)] == ["occupied"])  # the last word counts
    assert model(site, "status", "room")["labels"] == {"confirmed": 1, "rejected": 0, "given": 0}


def labels(site: ModelSite) -> Any:
    settings = str(site.node.folder / "node.yaml")
    return json.loads(CliRunner().invoke(app, ["model", "labels", "list", settings, "room", "--json"]).stdout)
