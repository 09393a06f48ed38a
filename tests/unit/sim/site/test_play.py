import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from numpy._core import _multiarray_umath as numpy_core  # type: ignore[attr-defined]  # numpy tells it nowhere else
from tests.unit.sim.site.scenes import START_NS, site, there

from holdfast.kernel.clock import NS_PER_MS, NS_PER_S
from holdfast.sim.ends.publishing import unframed
from holdfast.sim.site.loading import load_scenario
from holdfast.sim.site.play import Showing
from holdfast.sim.site.running import Stage
from holdfast.sim.site.tally import Tally


def stage(path: Path, seconds: float, seed: int | None = None, start_ns: int = START_NS) -> Stage:
    scenario = load_scenario(path)
    made = Stage(scenario if seed is None else replace(scenario, seed=seed), start_ns)
    made.hash(seconds)
    return made


def showings(path: Path, seconds: float) -> list[Showing]:
    made = Stage(load_scenario(path), START_NS)
    return list(made.showings(seconds))


def write(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text)
    return path


def bodies(shown: list[Showing]) -> list[dict[str, object]]:
    return [json.loads(unframed(frame).payload) for each in shown for frame in each.frames]


def wide_vectors() -> list[str]:
    """What numpy uses of this processor beyond what it needs; it can be told not to."""
    return [feature for feature in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(feature)]


def test_one_seed_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """100 devices over all protocols that are here: other hash seeds, and a processor with and without wide vectors."""
    path = site(tmp_path, there())
    words = [sys.executable, "-m", "holdfast", "sim", str(path), "--hash", "--seconds", "20", "--json"]
    differing = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "NPY_DISABLE_CPU_FEATURES": " ".join(wide_vectors())})
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | each) for each in differing]
    outcomes = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["sha256"] == stage(path, 20).tally.digest
    assert outcomes[0]["devices"] == 100 // len(there()) * len(there())
    assert set(outcomes[0]["protocols"]) == set(there())
    assert all(counted["frames"] > 0 for counted in outcomes[0]["protocols"].values())


def test_another_seed_start_or_second_gives_another_hash(tmp_path: Path) -> None:
    path = site(tmp_path, ["mqtt", "lorawan"], 6)
    first = stage(path, 10).tally.digest
    others = [stage(path, 10, seed=8), stage(path, 10, start_ns=START_NS + NS_PER_S), stage(path, 11)]
    assert len({first, *(other.tally.digest for other in others)}) == 4


def test_the_first_seconds_of_a_long_play_are_those_of_a_short_one(tmp_path: Path) -> None:
    path = site(tmp_path, ["mqtt", "sparkplug"], 10)
    long, short = showings(path, 12), showings(path, 5)
    assert long[: len(short)] == short
    assert max(s.offset_ns for s in short) < 5 * NS_PER_S


def test_everything_comes_in_the_order_of_time(tmp_path: Path) -> None:
    offsets = [s.offset_ns for s in showings(site(tmp_path, ["mqtt", "http", "lorawan"], 30), 10)]
    assert offsets == sorted(offsets)


def test_each_device_shows_once_in_its_period_at_its_own_moment(tmp_path: Path) -> None:
    path = write(tmp_path, "groups: {r: {model: room, count: 50, protocol: mqtt, every: 2s}}")
    shown = showings(path, 6)
    assert set(Counter(s.device for s in shown).values()) == {3}
    first = [s.offset_ns for s in shown[:50]]
    assert len(set(first)) > 45
    assert max(first) < 2 * NS_PER_S
    assert all(ns % NS_PER_MS == 0 for ns in first)


def test_together_means_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "groups: {r: {model: room, count: 5, protocol: mqtt, together: true}}")
    assert {s.offset_ns for s in showings(path, 1)} == {0}


def test_copies_follow_at_once_and_are_the_same_bytes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "groups: {r: {model: room, protocol: mqtt}}\nfaults: [{kind: duplicates, times: 2, from: 3s, for: 1s}]",
    )
    ids = [body["id"] for body in bodies(showings(path, 6))]
    assert ids == [1, 2, 3, 4, 4, 4, 5, 6]


def test_a_late_message_comes_after_the_devices_next_one(tmp_path: Path) -> None:
    path = write(tmp_path, "groups: {r: {model: room, protocol: mqtt}}\nfaults: [{kind: reordered, from: 2s, for: 1s}]")
    found = bodies(showings(path, 6))
    assert [body["id"] for body in found] == [1, 2, 4, 3, 5, 6]
    assert [body["ts"] for body in found] == [START_NS // NS_PER_MS + 1000 * n for n in (0, 1, 3, 2, 4, 5)]


def test_two_late_ones_in_a_row_do_not_pile_up(tmp_path: Path) -> None:
    path = write(tmp_path, "groups: {r: {model: room, protocol: mqtt}}\nfaults: [{kind: reordered}]")
    assert [body["id"] for body in bodies(showings(path, 6))] == [2, 1, 4, 3, 6, 5]


def test_a_storm_spreads_its_messages_within_the_period(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "groups: {r: {model: room, count: 2, protocol: mqtt}}\n"
        "faults: [{kind: storm, devices: r-001, times: 10, from: 1s, for: 1s}]",
    )
    shown = showings(path, 3)
    offsets = [s.offset_ns for s in shown if s.device == "r-001"]
    assert len(offsets) == 12
    assert len({ns for ns in offsets if NS_PER_S <= ns < 2 * NS_PER_S}) == 10
    assert offsets == sorted(offsets)
    assert [s.offset_ns for s in shown] == sorted(s.offset_ns for s in shown)


def test_a_skewed_clock_shows_in_the_payload_and_not_in_the_order(tmp_path: Path) -> None:
    path = write(tmp_path, "groups: {r: {model: room, protocol: mqtt}}\nfaults: [{kind: clock_skew, seconds: -90}]")
    shown = showings(path, 2)
    assert [s.offset_ns for s in shown] == [0, NS_PER_S]
    assert [body["ts"] for body in bodies(shown)] == [START_NS // NS_PER_MS - 90_000, START_NS // NS_PER_MS - 89_000]


def test_the_hash_is_what_its_description_says(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "groups: {r: {model: room, protocol: mqtt}}\nfaults: [{kind: dropout, from: 1s}, {kind: slow, by: 1500ms}]",
    )
    (frame,) = showings(path, 1)[0].frames
    expected = sha256()
    for second, number, frames in ((0, 0, [frame]), (1, 1, [])):
        at = START_NS + second * NS_PER_S
        expected.update(at.to_bytes(8, "big") + b"\0\1r" + bytes((number,)) + (1_500_000_000).to_bytes(8, "big"))
        expected.update(len(frames).to_bytes(4, "big"))
        for each in frames:
            expected.update(len(each).to_bytes(4, "big") + each)
    found = stage(path, 2).tally
    assert found.digest == expected.hexdigest()
    assert found.total.silent == 1
    assert found.total.shown == found.total.frames == 1
    assert found.total.bytes == len(frame)


def test_an_empty_tally_has_the_hash_of_nothing() -> None:
    tally = Tally({"r": ("mqtt", 3)})
    assert tally.digest == sha256().hexdigest()
    assert tally.total.devices == 3


@pytest.mark.parametrize("protocol", there())
def test_every_end_says_the_same_again(protocol: str, tmp_path: Path) -> None:
    path = site(tmp_path, [protocol], 4)
    assert stage(path, 5).tally.digest == stage(path, 5).tally.digest
