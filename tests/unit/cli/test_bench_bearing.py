"""`holdfast bench bearing`: a table of clips, made here or Case Western's."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.stream.vibration.machines import impacts, noise
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.stream.vibration.bearings import bearing

CWRU = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data")) / "bearing"
needs_data = pytest.mark.skipif(not CWRU.exists(), reason="the clips aren't here")


def ask(folder: Path, *more: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["bench", "bearing", str(folder), *more])
    return found.exit_code, found.output


def folder_of(at: Path, clips: dict[str, np.ndarray]) -> Path:
    orders = bearing("6205")
    about = {
        "rpm": 1800.0,
        "fs_hz": 12000,
        "fault": "made up",
        "bpfo_hz": orders.outer * 30,
        "bpfi_hz": orders.inner * 30,
    }
    about |= {"bsf_hz": orders.ball * 30, "ftf_hz": orders.cage * 30}
    (at / "manifest.json").write_text(json.dumps([{"name": name, **about} for name in clips]))
    np.savez(at / "clips.npz", allow_pickle=False, **clips)
    return at


def test_each_clip_is_a_row_with_what_was_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    struck = impacts(rng, 36_000, 12_000, 30.0, bearing("6205"), "outer race") + noise(rng, 36_000)
    clips = {"faulty": struck.astype(np.float32), "well": noise(rng, 36_000), "short": struck[:3000]}
    code, said = ask(folder_of(tmp_path, clips), "--json", str(tmp_path / "out.json"))
    assert code == 0, said
    told: list[dict[str, Any]] = json.loads((tmp_path / "out.json").read_text())
    assert [(one["name"], one["named"]) for one in told] == [
        ("faulty", "outer race"),
        ("well", "none"),
        ("short", "unknown"),
    ]
    assert told[0]["hz"] == pytest.approx(told[0]["expected_hz"], rel=0.02)
    assert told[1]["hz"] is None
    assert "outer race" in said


@pytest.mark.parametrize("broken", ["no manifest", "no samples", "no json", "pickled"])
def test_a_folder_without_clips_is_refused_with_what_to_give(tmp_path: Path, broken: str) -> None:
    folder_of(tmp_path, {"a": np.ones(10)})
    if broken == "no manifest":
        (tmp_path / "manifest.json").unlink()
    elif broken == "no json":
        (tmp_path / "manifest.json").write_text("[{")
    elif broken == "no samples":
        (tmp_path / "clips.npz").unlink()
    else:
        np.savez(tmp_path / "clips.npz", a=np.array([{}], dtype=object))
    code, said = ask(tmp_path)
    assert code == 2
    assert "manifest.json and *.npz" in said


@needs_data
def test_clear_lines_of_case_westerns_clips_are_named_within_two_percent_and_normal_ones_are_not(
    tmp_path: Path,
) -> None:
    assert ask(CWRU, "--json", str(tmp_path / "out.json"))[0] == 0
    about = {one["name"]: one for one in json.loads((CWRU / "manifest.json").read_text())}
    for one in json.loads((tmp_path / "out.json").read_text()):
        clip = about[one["name"]]
        heights = clip["envelope_2_5kHz_peak_over_median"]
        line = max(heights, key=heights.get)
        if heights[line] < 50:  # normal ones, and balls
            assert one["named"] == "none"
        else:
            assert one["named"] == {"bpfo": "outer race", "bpfi": "inner race"}[line]
            assert one["hz"] == pytest.approx(clip[f"{line}_hz"], rel=0.02)
