"""Rows for models on their way out of the intake: when their readings came, never twice after a restart."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.intake.rules import START_NS, Plant, compiled
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows
from holdfast.model.series import Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.language.featuring import compile_features, load_features
from holdfast.stream.rules import CompiledRule

FEATURES = """
features:
  press:
    select: {t: temperature, m: avg(temperature), s: slope(pressure), w: "samples(temperature, pressure, 2)"}
    window: sliding 4 samples
"""
TUMBLING = "features:\n  press: {select: {m: avg(temperature)}, window: tumbling 5s}\n"


class Press:
    """A plant with a feature line, and those who are told of its rows."""

    def __init__(self, folder: Path, clock: ManualClock, rules: Sequence[CompiledRule]) -> None:
        self.plant = Plant(folder, rules, clock)
        self.told: list[FeatureRows] = []
        self.plant.intake.on_features(self.told.append)


def lines(folder: Path, text: str = FEATURES) -> list[CompiledRule]:
    (folder / "features.yaml").write_text(text)
    return [compile_features(load_features([folder / "features.yaml"])[0], "pump")]


def clock() -> ManualClock:
    return ManualClock(wall_ns=START_NS)


def bits(told: Sequence[FeatureRows]) -> list[tuple[str, int, bytes, int]]:
    return [
        (rows.places[k][1], t, v.tobytes(), f)
        for rows in told
        for k, t, v, f in zip(rows.key.tolist(), rows.ts.tolist(), rows.values, rows.flags.tolist(), strict=True)
    ]


def test_rows_are_told_with_when_the_first_of_their_readings_came(tmp_path: Path) -> None:
    async def scenario() -> None:
        machine = clock()
        press = Press(tmp_path, machine, lines(tmp_path))
        press.plant.send("p1", t=20.0, p=1.0)
        came = machine.monotonic()
        machine.advance(0.25)
        press.plant.send("p1", t=22.0, p=2.0)
        await press.plant.settled()
        (rows,) = press.told
        assert rows.arrived == came
        assert rows.deployment == "pump"
        assert rows.features.startswith("press@")
        assert rows.values[:, :2].tolist() == [[20, 20], [22, 21]]
        press.plant.end()

    asyncio.run(scenario())


def test_a_window_that_time_closes_makes_a_row_without_anything_to_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        machine = clock()
        press = Press(tmp_path, machine, lines(tmp_path, TUMBLING))
        press.plant.send("p1", t=20.0, p=1.0)
        await press.plant.settled()
        assert press.told == []
        machine.advance(10)
        press.plant.tick()
        (rows,) = press.told
        assert rows.values.tolist() == [[20]]
        assert rows.arrived == machine.monotonic()
        press.plant.tick()
        assert len(press.told) == 1
        press.plant.end()

    asyncio.run(scenario())


@pytest.mark.parametrize("edited", [False, True])
def test_after_a_kill_windows_go_on_and_no_row_is_told_twice(tmp_path: Path, edited: bool) -> None:  # noqa: FBT001 - a case
    rule = compiled(tmp_path, "rules:\n  hot: {select: temperature as t, when: t > 50}\n")

    async def scenario() -> None:
        machine, whole = clock(), clock()
        (tmp_path / "whole").mkdir()
        made = lines(tmp_path)
        never = Press(tmp_path / "whole", whole, made)
        told = list[FeatureRows]()
        for part in range(3):
            press = Press(tmp_path, machine, [*made, *(rule if edited and part else [])])
            assert press.told == []  # what was read again
            for i in range(5):
                for one, time in ((press, machine), (never, whole)):
                    one.plant.send("p1", t=20.0 + 5 * part + i, p=float(i * i))
                    time.advance(1)
                    await one.plant.settled()
            told += press.told
            press.plant.end()
        assert bits(told) == bits(never.told)
        assert len(bits(told)) == 15
        never.plant.end()

    asyncio.run(scenario())


def test_a_set_that_was_edited_while_the_node_was_down_replays_the_former_and_starts_empty(tmp_path: Path) -> None:
    async def scenario() -> None:
        machine = clock()
        before = Press(tmp_path, machine, lines(tmp_path))
        before.plant.send("p1", t=20.0, p=1.0)
        await before.plant.settled()
        await before.plant.intake.hold()  # a checkpoint with the former line
        await before.plant.intake.release()
        machine.advance(1)
        before.plant.send("p1", t=22.0, p=1.0)
        await before.plant.settled()
        before.plant.end()
        machine.advance(1)
        wider = lines(tmp_path, "features:\n  press: {select: {m: sum(temperature)}, window: sliding 9 samples}\n")
        after = Press(tmp_path, machine, wider)
        after.plant.intake.start()  # tells what the edit ended
        after.plant.send("p1", t=5.0, p=1.0)
        await after.plant.settled()
        (rows,) = after.told
        assert rows.values.tolist() == [[5]]
        await after.plant.intake.stop()
        after.plant.end()

    asyncio.run(scenario())


def test_rows_of_childrens_readings_are_told_and_those_made_again_are_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        press = Press(tmp_path, clock(), lines(tmp_path))
        catalogue = press.plant.journal.catalogue
        series = catalogue.intern(Series("site-1", "p9", "temperature", "Cel", Kind.FLOAT))
        batch = Batch(
            np.full(2, series, np.int32), START_NS + np.arange(2), np.array([1.0, 3.0]), np.zeros(2, np.uint8)
        )
        findings = Engine(lines(tmp_path), catalogue, "gw", by_site=True).evaluate(batch)
        intake = press.plant.intake
        intake.take(intake.preparer.found(findings))
        assert press.told == []
        intake.take(intake.preparer.elsewhere(findings))
        (rows,) = press.told
        assert rows.places[rows.key[0]] == ("site-1", "p9")
        await press.plant.settled()
        press.plant.end()

    asyncio.run(scenario())


def test_a_table_out_of_the_journal_is_what_was_told_live_to_the_bit_and_the_same_bytes_twice(tmp_path: Path) -> None:
    async def scenario() -> list[FeatureRows]:
        machine = clock()
        press = Press(tmp_path, machine, lines(tmp_path))
        for i in range(60):
            for device in ("p1", "p2", "q"):
                press.plant.send(device, t=20.0 + i * 0.1, **({} if i % 7 == 3 else {"p": float(i * i)}))
            machine.advance(1)
            if i % 5 == 0:
                await press.plant.settled()
        await press.plant.settled()
        press.plant.end()
        return press.told

    told = asyncio.run(scenario())
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    span = ["--from", f"{START_NS // NS_PER_S}", "--to", f"{START_NS // NS_PER_S + 100}"]
    words = ["features", "export", str(tmp_path / "features.yaml")]
    for file in files:
        done = CliRunner().invoke(
            app,
            [*words, "--data", str(tmp_path), *span, "--out", str(file), "--devices", "p*", "--label", "pressure"],
        )
        assert done.exit_code == 0, done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    table = pq.read_table(files[0])
    columns = table.column_names[3:-2]
    assert columns == ["t", "m", "s", "w_0", "w_1", "w_2", "w_3"]
    live = {(d, t): (v, f) for d, t, v, f in bits(told) if d != "q"}
    assert len(live) == len(table) == 120
    times = table.column("ts").cast(pa.int64()).to_pylist()
    for row, ts in zip(table.to_pylist(), times, strict=True):
        values = np.array([np.nan if row[c] is None else row[c] for c in columns])
        expected, flags = live[row["device"], ts]
        assert np.array_equal(values, np.frombuffer(expected), equal_nan=True)
        assert row["flags"] == flags
        i = (ts - START_NS) // NS_PER_S
        after = i + (i % 7 == 3)  # the label may come with the next message; after the last there is none
        assert row["label"] == (100_000.0 * after**2 if after < 60 else None)  # Pa
