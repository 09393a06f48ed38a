"""Models at work in a real node: what devices send becomes predictions, and nothing of it disturbs the readings."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tests.system.foreign.site import ROOT, Upstream
from tests.system.models.site import ModelSite, send_rows
from tests.unit.inference import making
from tests.waiting import wait_until

from holdfast.inference.card import load_card
from holdfast.inference.store import SHIPPED
from holdfast.sim.fleet.recording import Row, load_recording
from holdfast.stream.features.tables import moments, table
from holdfast.stream.language.featuring import load_features

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
# A long budget: all that comes at once is to be scored.
OCCUPANCY = "models:\n  deploy:\n    room:\n      model: builtin:occupancy\n      budget: 1m\n"
KEPT = ("temperature", "humidity", "light", "co2")
MINUTE_NS = 60 * 10**9
BEGAN_NS = 1_790_000_000 * 10**9

Ended = list[ModelSite]
Rows = dict[int, float]


@pytest.fixture
def ended() -> Iterator[Ended]:
    """What is killed in the end, whatever happened."""
    started: Ended = []
    yield started
    for each in started:
        each.node.kill()


def minutes(n: int) -> tuple[list[Row], list[int]]:
    """The first n minutes of the UCI recording (datatest: no model was trained on it), and times for them."""
    return load_recording()[:n], [BEGAN_NS + i * MINUTE_NS for i in range(n)]


def said_offline(rows: list[Row], ts: list[int]) -> Rows:
    """What ONNX Runtime says of them by itself, from features computed without a node: time to score."""
    folder = SHIPPED / "occupancy"
    (features,) = load_features([folder / "features.yaml"])
    names = {
        "air.temperature": "temperature",
        "air.humidity": "humidity",
        "light.illuminance": "light",
        "air.co2": "co2",
    }
    columns = {metric: np.array([getattr(row, name) for row in rows]) for metric, name in names.items()}
    found = table(features, moments(np.array(ts), columns))
    card = load_card(folder)
    session = onnxruntime.InferenceSession(folder / card.file, providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in session.get_inputs())
    values = found.values[found.usable].astype(np.float32)
    said = session.run([card.outputs.classes.name], {name: values})[0][:, 1]  # type: ignore[union-attr]  # a classifier
    return dict(zip(found.ts[found.usable].tolist(), said.tolist(), strict=True))


def send(site: ModelSite, device: str, rows: list[Row], ts: list[int]) -> None:
    site.send(device, [{name: getattr(row, name) for name in KEPT} for row in rows], ts)


def stored(site: ModelSite, device: str, part: str = "score") -> list[tuple[int, float | str, str]]:
    return site.rows(device, f"ml.room.{part}")


def test_a_days_results_equal_offline_onnx_runtime_and_reach_alerts_ml(tmp_path: Path, ended: Ended) -> None:
    site = ModelSite(tmp_path, OCCUPANCY + "      alert: {when: \"label = 'occupied'\", severity: info}\n")
    ended.append(site)
    site.start()
    alerts = Upstream(site.mqtt, "alerts/ml")
    rows, ts = minutes(2665)
    send(site, "r1", rows, ts)
    offline = said_offline(rows, ts)
    wait_until(lambda: len(stored(site, "r1")) == len(offline))
    live = {at: value for at, value, reason in stored(site, "r1") if not reason}
    assert live.keys() == offline.keys()
    assert max(abs(float(live[at]) - offline[at]) for at in offline) < 1e-6
    labels = {at: label for at, label, _ in stored(site, "r1", "label")}
    truth = dict(zip(ts, (row.occupied for row in rows), strict=True))
    right = np.mean([(labels[at] == "occupied") == truth[at] for at in labels])
    assert right >= 0.975
    wait_until(lambda: bool(alerts.messages))
    topic, event = alerts.messages[0]
    assert (topic, event["rule"], event["device"]) == ("alerts/ml", "ml-room", "r1")
    assert event["why"]["values"]["label"] == "occupied"
    assert event["why"]["values"]["version"] == load_card(SHIPPED / "occupancy").version
    assert {"score", "confidence", "ms"} <= event["why"]["values"].keys()


def test_a_bad_input_is_never_scored_and_a_rule_may_infer(tmp_path: Path, ended: Ended) -> None:
    (tmp_path / "rules.yaml").write_text(
        "rules:\n  lit-and-left:\n    when: infer('room', 'label') = 'empty' and light.illuminance > 100\n"
        "    select: light.illuminance\n"
    )
    site = ModelSite(tmp_path, OCCUPANCY, "rules: [rules.yaml]\n")
    ended.append(site)
    site.start()
    rules = Upstream(site.mqtt, "alerts/#")
    rows, ts = minutes(30)
    quiet = [replace(row, light=0.0, co2=450.0, temperature=20.0, humidity=25.0) for row in rows]
    send(site, "r1", quiet[:20], ts[:20])
    wait_until(lambda: len(stored(site, "r1")) > 0 and stored(site, "r1")[-1][0] == ts[19])
    send(site, "r1", [replace(quiet[20], temperature=999.0)], [ts[20]])  # beyond the profile's range: bad
    send(site, "r1", [replace(quiet[21], light=150.0)], [ts[21]])
    wait_until(lambda: len(site.rows("r1", "light.illuminance")) == 22)
    wait_until(lambda: len(site.rows("r1", "air.temperature")) == 22)
    time.sleep(0.5)
    assert ts[20] not in [at for at, _, _ in stored(site, "r1")]
    send(site, "r2", [replace(row, light=150.0) for row in quiet[:20]], ts[:20])
    wait_until(lambda: any(event["rule"] == "lit-and-left" for _, event in rules.messages))


def test_windows_go_on_after_a_kill_and_no_result_is_doubled_or_wrong(tmp_path: Path, ended: Ended) -> None:
    site = ModelSite(tmp_path, OCCUPANCY)
    ended.append(site)
    site.start()
    rows, ts = minutes(600)
    send(site, "r1", rows[:300], ts[:300])
    site.node.kill()
    site.start(2)
    send(site, "r1", rows[300:], ts[300:])
    offline = said_offline(rows, ts)
    wait_until(lambda: stored(site, "r1")[-1][0] == ts[-1])
    live = stored(site, "r1")
    times = [at for at, _, _ in live]
    assert len(set(times)) == len(times)
    assert [at for at, _, _ in site.rows("r1", "air.co2")] == ts
    assert set(ts[310:]) <= set(times)
    assert max(abs(float(value) - offline[at]) for at, value, _ in live) < 1e-6


def own_model(folder: Path) -> Path:
    """The occupancy model in a node's own store."""
    there = folder / "data" / "models" / "mine" / "1.0.0"
    shutil.copytree(SHIPPED / "occupancy", there)
    card = (there / "model.yaml").read_text()
    (there / "model.yaml").write_text(card.replace("model: occupancy\n", "model: mine\n", 1))
    return there


MINE = (
    "models:\n  deploy:\n    room:\n      model: mine\n      budget: 1m\n"
    "      fallback: [{rule: 'light > 365'}, last]\n      record: [score, label, how]\n"
)


def test_a_corrupt_model_is_refused_and_its_fallback_answers_flagged(tmp_path: Path, ended: Ended) -> None:
    path = own_model(tmp_path) / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    site = ModelSite(tmp_path, MINE)
    ended.append(site)
    site.start(0)
    wait_until(lambda: site.node.says("ModelUnusable"))
    assert "SHA-256" in site.node.log.read_text()
    rows, ts = minutes(40)
    send(site, "r1", rows, ts)
    wait_until(lambda: len(stored(site, "r1", "how")) >= 30)
    assert {(value, reason) for _, value, reason in stored(site, "r1", "how")} == {("rule", "fallback")}
    lit = {at: row.light > 365 for at, row in zip(ts, rows, strict=True)}
    assert all((label == "occupied") == lit[at] for at, label, _ in stored(site, "r1", "label"))


def test_a_node_without_onnx_runtime_runs_and_says_what_to_install(tmp_path: Path, ended: Ended) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "onnxruntime.py").write_text("raise ImportError('no onnxruntime here')\n")
    own_model(tmp_path)
    site = ModelSite(tmp_path, MINE, env={"PYTHONPATH": f"{tmp_path / 'without'}:{ROOT / 'src'}:{ROOT}"})
    ended.append(site)
    site.start(0)
    wait_until(lambda: site.node.says("ModelUnusable"))
    assert "pip install 'holdfast[ml]'" in site.node.log.read_text()
    rows, ts = minutes(20)
    send(site, "r1", rows, ts)
    wait_until(lambda: len(stored(site, "r1", "how")) >= 10)
    assert len(site.rows("r1", "air.co2")) == 20


def test_a_processor_that_is_not_there_is_told_with_those_that_are_and_fallbacks_answer(
    tmp_path: Path, ended: Ended
) -> None:
    own_model(tmp_path)
    site = ModelSite(tmp_path, MINE.replace("models:\n", "models:\n  provider: tensorrt\n"))
    ended.append(site)
    site.start(0)
    wait_until(lambda: site.node.says("no provider tensorrt on this machine"))
    assert "there are: cpu; or write `provider: auto`" in site.node.log.read_text()
    rows, ts = minutes(20)
    send(site, "r1", rows, ts)
    wait_until(lambda: len(stored(site, "r1", "how")) >= 10)


FOUR = (
    "features:\n  four:\n    version: 1\n"
    "    select: {a: air.temperature, b: air.humidity, c: light.illuminance, d: air.co2}\n"
)


def hostile(folder: Path, name: str, data: bytes) -> None:
    """A model that is well-behaved until a number is huge, in a node's own store."""
    there = folder / "data" / "models" / name / "1.0.0"
    there.mkdir(parents=True)
    (there / "model.onnx").write_bytes(data)
    (there / "features.yaml").write_text(FOUR)
    (features,) = load_features([there / "features.yaml"])
    (there / "model.yaml").write_text(
        f"model: {name}\nversion: 1.0.0\ntask: regression\nfile: model.onnx\n"
        f"sha256: {hashlib.sha256(data).hexdigest()}\n"
        f"inputs: {{features: {features.ref}, name: x, shape: [4]}}\noutputs: {{score: {{name: y, index: 0}}}}\n"
    )


def test_models_that_never_return_or_swell_hold_no_reading_up_and_are_told(tmp_path: Path, ended: Ended) -> None:
    hostile(tmp_path, "loops", making.stuck())
    hostile(tmp_path, "swells", making.swelling())
    site = ModelSite(
        tmp_path,
        "models:\n  memory: 50MB\n  deploy:\n"
        "    loops: {model: loops, fallback: [{rule: 'a > 0'}], record: [score, how]}\n"
        "    swells: {model: swells, fallback: [{rule: 'a > 0'}], record: [score, how]}\n",
    )
    ended.append(site)
    site.start(2)
    usual = {"temperature": 20.0, "humidity": 40.0, "light": 100.0, "co2": 0.5}
    send_rows(site.mqtt, "rooms/r1", [usual], [BEGAN_NS])
    for name in ("loops", "swells"):
        wait_until(lambda name=name: [row[1] for row in site.rows("r1", f"ml.{name}.how")] == ["model"])  # type: ignore[misc]  # bound
    send_rows(site.mqtt, "rooms/r1", [{**usual, "co2": 1e14}], [BEGAN_NS + MINUTE_NS])
    slowest = 0.0
    for n in range(2, 60):
        began = time.monotonic()
        send_rows(site.mqtt, "rooms/r2", [usual], [BEGAN_NS + n * MINUTE_NS])
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5.0  # acknowledged while a model runs for ever: loosely, as this machine may be busy
    wait_until(lambda: site.node.says("ModelStuck"))
    wait_until(lambda: len(site.rows("r2", "air.co2")) == 58)
    later = BEGAN_NS + 100 * MINUTE_NS
    send_rows(site.mqtt, "rooms/r3", [usual], [later])
    wait_until(lambda: [row[1:] for row in site.rows("r3", "ml.loops.how")] == [("rule", "fallback")])
    wait_until(lambda: ("rule", "fallback") in [row[1:] for row in site.rows("r1", "ml.swells.how")])
