"""What a gateway's model is unsure of is answered by the hub's; pictures of a folder are judged; the command line."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from tests.ports import free_port
from tests.system.kill.site import Site
from tests.system.models.site import ModelSite, rows_of, send_rows
from tests.system.models.vision import brightness_model
from tests.waiting import wait_until

from holdfast.inference.store import SHIPPED

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
ROOM = {"temp_c": 21.0, "hum": 40.0, "lux": 300.0, "co2": 650.0, "occ": True}


@dataclass
class Tree(Site):
    """A hub whose store has the models that ship, and a gateway below it."""

    def prepare(self) -> None:
        super().prepare()
        file = self.folder / "rooms.yaml"
        file.write_text(file.read_text().replace("unit: s}", "unit: ns}"))


@pytest.fixture
def ended() -> Iterator[list[Tree | ModelSite]]:
    """What is ended, whatever happened."""
    started: list[Tree | ModelSite] = []
    yield started
    for each in started:
        if isinstance(each, Tree):
            each.stop()
        else:
            each.node.kill()


def test_an_unsure_result_is_followed_by_the_hubs(tmp_path: Path, ended: list[Tree | ModelSite]) -> None:
    api = free_port()
    deploy = (
        f"api: {{listen: '127.0.0.1:{api}'}}\n"
        "models:\n  deploy:\n    room: {model: 'builtin:occupancy', record: [score, label, how], budget: 10s, "
        "hybrid: {model: 'builtin:occupancy', below: 1.0, cache: 0}}\n"
    )
    tree = Tree(tmp_path, more=deploy, more_hub="models: {}\n")
    ended.append(tree)
    tree.prepare()
    tree.bring_up(["hub", "gw"])
    wait_until(lambda: "ModelAtWork" in tree.log("gw"))
    now_ns = time.time_ns()
    times = [now_ns - (4 - i) * 60 * 10**9 for i in range(4)]
    send_rows(tree.mqtt, "acme/r1/telemetry", [{**ROOM, "co2": 650.0 + i} for i in range(4)], times)

    def said() -> list[Any]:
        return [value for _, value, _ in rows_of(tmp_path / "hub", "r1", "ml.room.how")]

    wait_until(lambda: said().count("parent") >= 3)
    assert said().count("model") == 3
    scores = rows_of(tmp_path / "hub", "r1", "ml.room.score")
    by_time = {at: {value for t, value, _ in scores if t == at} for at, _, _ in scores}
    assert all(len(values) == 1 for values in by_time.values())  # the same model says the same above and below


def test_pictures_of_a_folder_are_judged_and_moved_and_bad_ones_are_set_aside(
    tmp_path: Path, ended: list[Tree | ModelSite]
) -> None:
    brightness_model(tmp_path / "data" / "models" / "brightness" / "1.0.0")
    pictures = tmp_path / "pictures"
    (pictures / "line-1").mkdir(parents=True)
    Picture.new("L", (64, 48), 250).save(pictures / "line-1" / "white.png")
    Picture.new("L", (20, 20), 5).save(pictures / "line-1" / "black.jpg")
    (pictures / "line-1" / "bent.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    site = ModelSite(
        tmp_path, "models:\n  deploy:\n    look: {model: brightness, images: {folder: pictures, every: 200ms}}\n"
    )
    ended.append(site)
    site.start()
    wait_until(lambda: len(site.rows("line-1", "ml.look.label")) == 2)
    assert {value for _, value, _ in site.rows("line-1", "ml.look.label")} == {"bright", "dark"}
    wait_until(lambda: not list((pictures / "line-1").glob("*.*")))
    names = {file.name.rpartition("_")[2] for file in (pictures / "done").rglob("*") if file.is_file()}
    assert len(names) == 2
    assert site.node.says("ImageTurnedAway")


def test_a_published_model_is_fetched_by_its_digest_once_the_node_runs(
    tmp_path: Path, ended: list[Tree | ModelSite]
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "occupancy", mine)
    site = ModelSite(tmp_path, "# models go here\n")
    ended.append(site)
    site.start(0)
    printed = said(site, "publish", str(mine))
    digest = re.search(r"[0-9a-f]{64}", printed)
    assert digest is not None, printed
    site.node.stop()
    settings = tmp_path / "node.yaml"
    deploy = f"models:\n  deploy:\n    room: {{model: 'artifact:{digest[0]}', budget: 1m}}\n"
    settings.write_text(settings.read_text().replace("# models go here\n", deploy))
    site.start()
    now_ns = time.time_ns()
    row = {"temperature": 21.0, "humidity": 40.0, "light": 300.0, "co2": 650.0}
    for n in range(3):
        site.send("r1", [row], [now_ns - (3 - n) * 60 * 10**9])
    wait_until(lambda: len(site.rows("r1", "ml.room.label")) == 2)


def test_the_command_line_says_how_models_are(tmp_path: Path, ended: list[Tree | ModelSite]) -> None:
    absent = "a" * 64
    deploy = f"{{room: {{model: 'builtin:occupancy'}}, late: {{model: 'artifact:{absent}'}}}}"
    site = ModelSite(tmp_path, f"models:\n  deploy: {deploy}\n")
    ended.append(site)
    site.start(1)
    wait_until(lambda: "occupancy@1.0.0" in said(site, "status"))
    assert "occupancy@1.0.0 is active\nok, nothing was scored yet" in said(site, "status", "room")
    again = said(site, "shadow", "room", "builtin:occupancy")  # as `model list` calls it
    assert "occupancy@1.0.0 is active: it can't be told to shadow" in again
    waiting = "late: nothing is active\nwaiting: aaaaaaaaaaaa… isn't here, and this node has no parent\n"
    wait_until(lambda: said(site, "status", "late") == f"{waiting}\n")
    for refused in (said(site, "labels list", "late"), said(site, "shadow", "late", "builtin:occupancy")):
        assert f"late waits for its model, artifact:{absent}" in refused


def said(site: ModelSite, *words: str) -> str:
    argv = [
        sys.executable,
        "-m",
        "holdfast",
        "model",
        *words[0].split(),
        str(site.node.folder / "node.yaml"),
        *words[1:],
    ]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return told.stdout + told.stderr
