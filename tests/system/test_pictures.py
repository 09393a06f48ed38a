"""Pictures over MQTT and HTTP from clients that aren't ours, models that come late or go, and `kill -9`."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from tests.ports import free_port
from tests.system.foreign.site import Broker
from tests.system.models.site import ModelSite
from tests.system.models.vision import brightness_model
from tests.waiting import wait_until

from holdfast.identity.authority import create_authority
from holdfast.identity.tokens import issue_token

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
TOPIC = "cameras/{device}/picture"


def deploy(images: str) -> str:
    return f"models:\n  deploy:\n    look: {{model: brightness, images: {{{images}}}}}\n"


def png(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Picture.new("L", size, level).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., ModelSite]]:
    """A site with the model in its store; ended, whatever happened."""
    made: list[ModelSite] = []

    def one(images: str, more: str = "", also: str = "") -> ModelSite:
        brightness_model(tmp_path / "data" / "models" / "brightness" / "1.0.0")
        made.append(ModelSite(tmp_path, deploy(images) + also, more))
        return made[-1]

    yield one
    for site in made:
        site.node.kill()


def mosquitto_pub(port: int, camera: str, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Returns once it's acknowledged, or refused."""
    argv = ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", f"cameras/{camera}/picture", "-f", str(file), *more]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def curl(site: ModelSite, path: str, file: Path, kind: str) -> tuple[int, dict[str, Any]]:
    """The status and what was said."""
    url = f"http://127.0.0.1:{site.api}{path}"
    argv = ["curl", "-s", "-w", "\n%{http_code}", "-H", f"Content-Type: {kind}", "--data-binary", f"@{file}", url]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


def got(site: ModelSite, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.api}{path}", timeout=30) as answer:
        return json.load(answer)


def waiting(site: ModelSite) -> list[Path]:
    folder = site.node.folder / "data" / "pictures" / "look" / "waiting"
    return [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]


def scores(site: ModelSite, device: str) -> list[float]:
    return [round(float(value), 6) for _, value, _ in site.rows(device, "ml.look.score")]


def test_pictures_of_mosquitto_and_curl_are_judged_and_what_is_none_is_told_so(
    make: Callable[..., ModelSite], tmp_path: Path
) -> None:
    files = {"white": png(250), "black": png(5), "bent": png(90)[:60], "notes": b"not a picture", "large": png(1)}
    files["large"] += os.urandom(30_000)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    site = make(f"topic: '{TOPIC}', most_bytes: 20kB")
    site.start()
    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "white").returncode == 0
    path = "/api/v1/intake/cameras/door/picture"
    assert curl(site, path, tmp_path / "black", "image/png")[0] == 200
    wait_until(lambda: len(site.rows("gate", "ml.look.label")) == len(site.rows("door", "ml.look.label")) == 1)
    assert site.rows("gate", "ml.look.label")[0][1] == "bright"
    assert site.rows("door", "ml.look.label")[0][1] == "dark"

    wrong = [(path, "notes", "image/jpeg", 400, "it's no picture"), (path, "large", "image/png", 413, "larger than")]
    wrong += [(path, "white", "text/plain", 415, "pictures are taken on")]
    wrong += [("/api/v1/intake/rooms/r1", "white", "image/png", 422, "no model of this node takes pictures on")]
    for where, name, kind, status, sentence in wrong:
        found, said = curl(site, where, tmp_path / name, kind)
        assert (found, sentence in said["error"]) == (status, True), said
    told = {name: mosquitto_pub(site.mqtt, "gate", tmp_path / name, "-V", "mqttv5") for name in ("notes", "large")}
    assert "Payload format invalid" in told["notes"].stderr
    assert "Implementation specific error" in told["large"].stderr
    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "notes").returncode == 0  # 3.1.1 knows no reasons
    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "bent").returncode == 0  # its head is a picture's
    wait_until(lambda: got(site, "/api/v1/models/look")["pictures"]["refused"] == 5)
    pictures = got(site, "/api/v1/models/look")["pictures"]
    assert (pictures["state"], pictures["taken"], pictures["waiting"]) == ("ok", 2, 0)
    assert got(site, "/api/v1/quarantine") == []
    argv = [sys.executable, "-m", "holdfast", "model", "status", str(tmp_path / "node.yaml"), "look"]
    assert "2 taken, 5 refused" in subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(list((tmp_path / "data" / "pictures" / "look" / "waiting" / "refused").iterdir())) == 1


def test_a_foreign_brokers_pictures_are_judged_by_all_models_that_take_them(
    make: Callable[..., ModelSite], tmp_path: Path
) -> None:
    broker = Broker("mosquitto", tmp_path / "mosquitto")
    broker.start()
    try:
        more = f"brokers:\n  plant: {{url: 'mqtt://127.0.0.1:{broker.port}', subscribe: {{'cameras/#': 1}}}}\n"
        also = "    press: {model: brightness, images: {topic: cameras/press/+, camera: big-press, waiting: 1}}\n"
        site = make(f"topic: '{TOPIC}'", more, also)
        site.start()
        wait_until(lambda: site.node.says("BrokerConnected"))
        (tmp_path / "white").write_bytes(png(250))
        assert mosquitto_pub(broker.port, "press", tmp_path / "white").returncode == 0
        wait_until(lambda: len(site.rows("press", "ml.look.label")) == 1)
        wait_until(lambda: len(site.rows("big-press", "ml.press.label")) == 1)
    finally:
        broker.kill()


def test_a_model_that_comes_late_has_its_camera_and_one_that_goes_leaves_pictures_waiting(
    tmp_path: Path, make: Callable[..., ModelSite]
) -> None:
    create_authority(tmp_path)
    issue_token(tmp_path / "gw.token")
    parent = f"parent: {{url: 'https://127.0.0.1:{free_port()}', ca: ca.pem, token_file: gw.token}}\n"
    site = make(f"topic: '{TOPIC}', folder: pictures, every: 100ms, waiting: 2", parent)
    store = tmp_path / "data" / "models" / "brightness"
    store.rename(tmp_path / "brightness")
    site.start(0)
    (tmp_path / "white").write_bytes(png(250))
    (tmp_path / "pictures" / "hall").mkdir(parents=True)
    (tmp_path / "pictures" / "hall" / "black.png").write_bytes(png(5))

    def model(*words: str) -> None:
        argv = [sys.executable, "-m", "holdfast", "model", *words, "--node", str(tmp_path / "node.yaml")]
        subprocess.run(argv, capture_output=True, timeout=60, check=True)

    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "white").returncode == 0
    assert len(waiting(site)) == 1
    model("add", str(tmp_path / "brightness" / "1.0.0"))
    wait_until(lambda: len(site.rows("gate", "ml.look.label")) == len(site.rows("hall", "ml.look.label")) == 1)
    wait_until(lambda: not waiting(site))

    model("remove", "brightness@1.0.0", "--force")
    wait_until(lambda: got(site, "/api/v1/models/look")["pictures"]["state"] == "no_model")
    (tmp_path / "pictures" / "hall" / "white.png").write_bytes(png(250))
    path, file = "/api/v1/intake/cameras/gate/picture", tmp_path / "white"
    assert [curl(site, path, file, "image/png")[0] for _ in range(3)] == [200, 200, 503]
    assert "Quota exceeded" in mosquitto_pub(site.mqtt, "gate", file, "-V", "mqttv5").stderr
    time.sleep(1)
    assert (len(scores(site, "gate")), len(scores(site, "hall"))) == (1, 1)
    model("add", str(tmp_path / "brightness" / "1.0.0"))
    wait_until(lambda: (len(scores(site, "gate")), len(scores(site, "hall"))) == (3, 2))


def test_pictures_of_folder_and_topic_are_judged_once_each_whatever_is_killed_when(
    make: Callable[..., ModelSite], tmp_path: Path
) -> None:
    site = make(f"topic: '{TOPIC}', folder: pictures, every: 100ms")
    hall = tmp_path / "pictures" / "hall"
    hall.mkdir(parents=True)
    site.start()
    sent = 16
    for level in range(90, 90 + sent):
        (tmp_path / "one").write_bytes(png(level, (2400, 1600)))
        Path(shutil.copy(tmp_path / "one", hall / f".{level}")).rename(hall / f"{level}.png")
        assert mosquitto_pub(site.mqtt, "gate", tmp_path / "one").returncode == 0
    left = []
    for life in range(2):
        before = len(scores(site, "hall"))
        wait_until(lambda before=before: len(scores(site, "hall")) > before)  # type: ignore[misc]  # mypy: of defaults
        site.node.kill()
        left.append(len(waiting(site)) + len(list(hall.glob("*.png"))))
        site.start(life + 2)
    assert any(left)
    wait_until(lambda: len(scores(site, "gate")) >= sent and len(scores(site, "hall")) >= sent)
    wait_until(lambda: not waiting(site) and not list(hall.glob("*.png")))
    for device in ("gate", "hall"):
        assert len(scores(site, device)) == len(set(scores(site, device))) == sent  # each level has its own score
        assert len({ts for ts, _, _ in site.rows(device, "ml.look.score")}) == sent


@pytest.mark.slow
def test_a_picture_whose_result_was_stored_when_the_node_was_killed_is_not_judged_again(
    make: Callable[..., ModelSite], tmp_path: Path
) -> None:
    site = make(f"topic: '{TOPIC}'")
    site.start()
    (tmp_path / "white").write_bytes(png(250))
    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "white").returncode == 0
    wait_until(lambda: len(scores(site, "gate")) == 1 and not waiting(site))
    site.node.kill()
    noted = json.loads((tmp_path / "data" / "pictures" / "look" / ".under-way").read_bytes())
    Path(noted["path"]).write_bytes(png(250))  # as if it had been killed before it could remove it
    site.start(2)
    wait_until(lambda: not waiting(site))
    assert mosquitto_pub(site.mqtt, "gate", tmp_path / "white").returncode == 0
    wait_until(lambda: len(scores(site, "gate")) >= 2 and not waiting(site))
    assert len(scores(site, "gate")) == 2
