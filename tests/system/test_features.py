"""Training tables of a real node: the same bytes while it runs and after a kill, and as scripts compute them."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.system.test_rules import Batch, Press, a_press

from holdfast.stream.features.tables import moments, table
from holdfast.stream.language.featuring import load_features

pytestmark = pytest.mark.system
FEATURES = """features:
  press:
    from: readings where device like 'press-%'
    select: {t: temperature, m: avg(temperature), s: slope(temperature), raw: "samples(temperature, 4)"}
    window: sliding 6 samples
"""
RULES = "rules:\n  hot: {select: temperature as t, when: t > 1000}\n"
COUNT, AT_ONCE = 400, 50


def a_story() -> tuple[list[Batch], dict[str, tuple[list[int], list[float]]]]:
    """Messages of three devices, and each one's times (ns) and temperatures."""
    rng, start = random.Random(8), int(time.time()) - 3_600
    messages, told = [], dict[str, tuple[list[int], list[float]]]()
    for i in range(COUNT):
        device = rng.choice(["press-1", "press-2", "oven"])
        value = round(rng.gauss(57, 3), 3)
        body = {"id": i, "ts": start + i, "t": value, "p": 5.0}
        messages.append((f"plant/{device}", json.dumps(body).encode()))
        times, values = told.setdefault(device, ([], []))
        times.append((start + i) * 1_000_000_000)
        values.append(value)
    return [messages[i : i + AT_ONCE] for i in range(0, COUNT, AT_ONCE)], told


def export(press: Press, out: Path, begin: int, *words: str) -> bytes:
    command = [sys.executable, "-m", "holdfast", "features", "export", str(press.folder / "features.yaml")]
    command += ["--node", str(press.folder / "gw.yaml"), "--from", f"{begin}", "--to", f"{begin + 3_600}"]
    done = subprocess.run(
        [*command, "--out", str(out), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return out.read_bytes()


@pytest.mark.timeout(120)
def test_a_nodes_table_is_the_same_while_it_runs_after_a_kill_and_in_a_script(tmp_path: Path) -> None:
    story, told = a_story()
    begin = min(times[0] for times, _ in told.values()) // 1_000_000_000 - 10
    with a_press(tmp_path, RULES) as press:
        (tmp_path / "features.yaml").write_text(FEATURES)
        for batch in story:
            press.publish(batch)
        running = export(press, tmp_path / "running.parquet", begin)
        press.kill()
        dead = export(press, tmp_path / "dead.parquet", begin)
        labelled = export(press, tmp_path / "labelled.parquet", begin, "--label", "pressure", "--devices", "press-1")
    assert running == dead
    assert labelled != dead
    made = pq.read_table(tmp_path / "dead.parquet")
    (found,) = load_features([tmp_path / "features.yaml"])
    assert {row["device"] for row in made.select(["device"]).to_pylist()} == {"press-1", "press-2"}
    for device in ("press-1", "press-2"):
        times, values = told[device]
        wanted = table(found, moments(np.array(times), {"temperature": values}, device))
        mine = made.filter(pc.equal(made.column("device"), device))
        assert mine.column("ts").cast(pa.int64()).to_pylist() == times
        for i, name in enumerate(found.columns):
            assert np.array_equal(mine.column(name).to_numpy(), wanted.values[:, i], equal_nan=True)
        assert mine.column("flags").to_pylist() == wanted.flags.tolist()
    marks = pq.read_table(tmp_path / "labelled.parquet").column("label")
    assert set(marks.to_pylist()) == {500_000.0}
