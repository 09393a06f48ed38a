"""Tables for training: the same rows as the engine makes live."""

from pathlib import Path

import numpy as np
from tests.unit.stream.features.site import BASE, Reading, S, Site, batch_of, by_device, line, one

from holdfast.model.features import UNUSABLE
from holdfast.model.series import Catalogue
from holdfast.stream.features import tables
from holdfast.stream.features.tables import Moments, moments, table
from holdfast.stream.language.featuring import compile_features

SELECT = "{x: x, m: avg(x), s: slope(y), on_: mode = 'on', w: \"samples(x, y, 3)\"}"


def test_a_wide_table_of_arrays_becomes_rows_by_time_with_texts_and_gaps(tmp_path: Path) -> None:
    found = one(tmp_path, select="{x: x, on_: mode = 'on'}", missing="skip")
    ts = BASE + np.array([2, 0, 1, 1]) * S
    mode = np.array(["off", "on", None, "on"], object)
    made = table(found, moments(ts, {"x": [3.0, 1.0, np.nan, 2.0], "mode": mode}, ["a", "a", "a", "b"]))
    assert made.columns == ("x", "on_")
    assert (made.ts - BASE).tolist() == [0, S, 2 * S]  # at 1 s `a` told nothing
    assert made.device.tolist() == ["a", "b", "a"]
    assert made.values.tolist() == [[1, 1], [2, 1], [3, 0]]
    assert made.usable.all()


def test_of_no_readings_there_is_an_empty_table_of_the_right_width(tmp_path: Path) -> None:
    made = table(one(tmp_path, select=SELECT, window="sliding 3 samples"), moments(np.empty(0, np.int64), {"x": []}))
    assert made.values.shape == (0, 10)
    assert len(made) == 0
    assert made.device.tolist() == []


def test_a_table_equals_what_a_node_computed_live_to_the_bit(tmp_path: Path) -> None:
    rng, catalogue = np.random.default_rng(9), Catalogue()
    found = one(tmp_path, select=SELECT, window="sliding 5 samples", quality="uncertain")
    live = Site([compile_features(found, "table")])
    readings: list[Reading] = []
    for i in range(400):
        for device in ("a", "b", "c"):
            quality = 1 if rng.random() < 0.02 else 2 if rng.random() < 0.02 else 0
            readings += [
                (device, "x", i * S, float(rng.normal(20, 3)), quality),
                (device, "y", i * S, float(rng.normal()), 0),
            ]
            readings += [(device, "mode", i * S, "on" if rng.random() < 0.5 else "off", 0)]
    told, at = [], 0
    while at < len(readings):  # as they come: a few messages at once
        size = 3 * int(rng.integers(1, 40))
        told += live.rows(*readings[at : at + size])
        at += size
    batch = batch_of(readings, catalogue)
    past = Moments("gw", catalogue, BASE, BASE + 400 * S, iter([batch]))
    made = table(found, past)
    rows: dict[tuple[str, str], list[tuple[int, bytes, int]]] = {}
    for device, t, v, f in zip(made.device.tolist(), made.ts.tolist(), made.values, made.flags.tolist(), strict=True):
        rows.setdefault(("table", device), []).append((t, v.tobytes(), f))
    assert rows == by_device(told)
    assert (made.flags & UNUSABLE).any()
    assert (np.diff(made.ts) >= 0).all()


def test_large_batches_are_read_in_pieces_and_no_moment_is_cut_in_two(tmp_path: Path) -> None:
    found = line(tmp_path, select="{d: x - y}")
    n = tables._ROWS
    made = list(tables.rows(found, moments(BASE + np.arange(n) * 1000, {"x": np.arange(n) + 1.0, "y": np.arange(n)})))
    assert len(made) > 1
    assert sum(map(len, made)) == n
    assert all((part.values == 1.0).all() for part in made)


def test_windows_that_the_end_cuts_short_are_no_rows_to_learn_from(tmp_path: Path) -> None:
    found = one(tmp_path, select="{n: count(x)}", window="tumbling 10s")
    made = table(found, moments(BASE + np.arange(25) * S, {"x": np.ones(25)}))
    assert made.values[:, 0].tolist() == [10, 10]
