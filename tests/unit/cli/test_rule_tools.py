"""`holdfast rules …` on files: exit codes, what is printed, and files of readings in the shapes people have."""

import gzip
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.site import holdfast, make_site, served
from tests.unit.history.lake.site import NS, START, Site, readings
from tests.unit.history.stored import Row, StoredGroups
from tests.unit.journal.kept import a_store, do
from tests.unit.web.doors import NOW_NS, make_deps

from holdfast.cli.picture import Picture
from holdfast.cli.reading_files import batch_of, read_file
from holdfast.cli.rule_files import loaded
from holdfast.history.query import History
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine

HOT = """
rules:
  hot:
    select: avg(temperature) as t
    window: sliding 3 samples
    when: t > 80
    for: 2 samples
    clear_when: t < 75
"""
TRACE = """rules: hot.yaml
08:00 every 10s  press-1  temperature=70,79,85,90,95 Cel
  => raised hot press-1 t=90
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hot.yaml").write_text(HOT)
    (tmp_path / "hot.trace").write_text(TRACE)
    rows = [(s, 70.0 if s < 30 or s >= 60 else 90.0) for s in range(0, 120, 5)]
    lines = [f"2026-05-01 08:{s // 60:02d}:{s % 60:02d};{v};7" for s, v in rows]
    (tmp_path / "wide.csv.gz").write_bytes(gzip.compress("\n".join(["datetime;temperature;Other", *lines]).encode()))
    return tmp_path


def test_check_shows_what_rules_read_and_cost(folder: Path) -> None:
    done = holdfast("rules", "check", folder / "hot.yaml")
    assert done.exit_code == 0, done.output
    assert "good: 1 rule" in done.output
    (rule,) = json.loads(holdfast("rules", "check", folder, "--json").stdout)
    assert rule["reads"] == ["temperature"]
    assert rule["state_bytes"] > 40


def test_check_tells_every_problem_with_its_line(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        "rules:\n  a:\n    select: avg(x) as y\n    when: z > 1\n  b:\n    select: 'x +'\n    when: x > 1\n"
    )
    done = holdfast("rules", "check", folder / "bad.yaml")
    assert done.exit_code == 78
    assert "bad.yaml:4" in done.output
    assert "bad.yaml:6" in done.output
    told = json.loads(holdfast("rules", "check", folder / "bad.yaml", "--json").stdout)
    assert {p["line"] for p in told["problems"]} >= {4, 6}


def test_traces_are_run_and_reported_for_people_and_build_servers(folder: Path) -> None:
    good = holdfast("rules", "test", folder, "--restarts")
    assert good.exit_code == 0, good.output
    assert "1 trace, all as expected" in good.output
    (folder / "hot.trace").write_text(TRACE.replace("t=90", "t=12"))
    bad = holdfast("rules", "test", folder / "hot.trace", "--junit", folder / "out.xml")
    assert bad.exit_code == 1
    assert "  - => raised hot press-1 t=12" in bad.output
    assert "  + => raised hot press-1 at 08:00:40 t=90" in bad.output
    suite = ET.parse(folder / "out.xml").getroot()  # noqa: S314 - our own
    assert suite.get("failures") == "1"
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "t=12" in str(failure.get("message"))


def test_update_writes_what_came(folder: Path) -> None:
    (folder / "hot.trace").write_text(TRACE.replace("t=90", "t=12"))
    assert holdfast("rules", "test", folder, "--update").exit_code == 0
    assert (folder / "hot.trace").read_text().endswith("  => raised hot press-1 at 08:00:40 t=90\n")
    assert holdfast("rules", "test", folder).exit_code == 0


def test_a_trace_that_cannot_be_read_has_an_exit_code_of_its_own(folder: Path) -> None:
    (folder / "hot.trace").write_text("rules: hot.yaml\n08:00 press-1\n")
    done = holdfast("rules", "test", folder)
    assert done.exit_code == 78
    assert "hot.trace:2" in done.output


def test_a_backtest_over_a_csv_file_counts_lists_and_draws(folder: Path) -> None:
    made = folder / "out.png"
    done = holdfast("rules", "backtest", folder / "hot.yaml", "--csv", folder / "wide.csv.gz", "--device", "press-1",
                    "--list", "--plot", made)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "48 readings of 2 series" in done.output
    row = next(line for line in done.output.splitlines() if line.startswith("hot  "))
    assert row.split()[:3] == ["hot", "press-1", "1"]
    data = made.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1200, 314)
    term = holdfast("rules", "backtest", folder / "hot.yaml", "--csv", folder / "wide.csv.gz", "--plot", "term")
    assert "alerts  " in term.output
    assert "▬" in term.output


def test_a_backtest_as_json_has_every_alert(folder: Path) -> None:
    done = holdfast("rules", "backtest", folder / "hot.yaml", "--csv", folder / "wide.csv.gz", "--json")
    report = json.loads(done.stdout)
    assert [(a["rule"], a["device"]) for a in report["alerts"]] == [("hot", "wide")]
    (told,) = report["rules"]
    assert told["alerts"] == 1
    assert told["raised_s"] == (report["alerts"][0]["cleared"] - report["alerts"][0]["raised"]) / 1e9
    unknown = holdfast("rules", "backtest", folder / "hot.yaml", "--rule", "cold", "--csv", folder / "wide.csv.gz")
    assert unknown.exit_code == 2
    assert "there are hot" in unknown.output


def test_a_diff_says_what_is_kept_and_which_alerts_come_and_go(folder: Path) -> None:
    (folder / "new.yaml").write_text(
        HOT.replace("t > 80", "t > 95") + "  more:\n    select: temperature\n    when: temperature > 85\n"
    )
    same = holdfast("rules", "diff", folder / "hot.yaml", folder / "hot.yaml")
    assert same.exit_code == 0
    assert "unchanged: hot" in same.output
    done = holdfast("rules", "diff", folder / "hot.yaml", folder / "new.yaml", "--csv", folder / "wide.csv.gz")
    assert done.exit_code == 1
    assert "  - when: t > 80" in done.output
    assert "  + when: t > 95" in done.output
    assert "keeps its windows" in done.output
    assert "more: added" in done.output
    assert "0 alerts as before, 1 no more, 1 new" in done.output


def test_explain_says_the_rule_in_words_and_how_it_stood(folder: Path) -> None:
    done = holdfast("rules", "explain", "hot", "--rules", folder / "hot.yaml", "--csv", folder / "wide.csv.gz",
                    "--device", "*", "--at", "2026-05-01T08:00:50Z")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "raised when t > 80, 2 times in a row" in done.output
    assert ": raised" in done.output
    assert "t = 90" in done.output


def test_a_backtest_reads_the_memory_of_a_stopped_node_and_explain_finds_its_rules(tmp_path: Path) -> None:
    import asyncio

    async def body() -> None:
        site = Site(tmp_path / "data", series=2)
        for hour in range(3):
            rows = [
                (n, START + (hour * 3600 + s) * NS, float(s % 600), 0) for s in range(0, 3600, 10) for n in range(2)
            ]
            await site.send(readings(rows, [False, True]))
            if hour == 1:
                await site.keeper.take_all()
        site.close()

    asyncio.run(body())
    (tmp_path / "node.yaml").write_text("node: gw\ndata: data\nhistory: true\nrules: [r.yaml]\n")
    (tmp_path / "r.yaml").write_text("rules:\n  high:\n    select: m\n    when: m > 500\n")
    span = ("--from", "2023-11-14T00:00:00Z", "--to", "2023-11-16T00:00:00Z")
    done = holdfast("rules", "backtest", tmp_path / "r.yaml", "--node", tmp_path / "node.yaml", *span, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["readings"] == 1080  # d1 is a text
    assert [row["alerts"] for row in report["rules"]] == [18]
    words = holdfast("rules", "explain", "high", "--node", tmp_path / "node.yaml")
    assert words.exit_code == 0, words.output
    assert "raised when m > 500" in words.output


def test_long_tables_are_read_as_query_writes_them(tmp_path: Path) -> None:
    table = pa.table(
        {
            "node": ["n", "n", "n"],
            "device": ["a", "a", "b"],
            "metric": ["t", "mode", "t"],
            "unit": ["Cel", "", "Cel"],
            "kind": ["float", "text", "float"],
            "ts": pa.array([3, 1, 2], pa.timestamp("ns", "UTC")),
            "value": [1.5, None, 2.5],
            "text": [None, "on", None],
            "quality": ["good", "good", "bad"],
            "reason": ["none", "none", "out_of_range"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    catalogue = Catalogue()
    batch = batch_of(read_file(tmp_path / "x.parquet"), catalogue, "", {})
    assert [catalogue[i].name for i in batch.series] == ["n/a/t", "n/a/mode", "n/b/t"]
    assert batch.ts.tolist() == [3, 1, 2]
    assert batch.texts[int(batch.value[1])] == "on"
    assert batch.quality.tolist() == [0, 0, 6]


def test_times_may_be_numbers_of_any_common_size(tmp_path: Path) -> None:
    for scale in (1, 10**3, 10**6, 10**9):
        (tmp_path / "x.csv").write_text(f"ts,metric,value\n{1_777_000_000 * scale},t,1\n")
        batch = batch_of(read_file(tmp_path / "x.csv"), Catalogue(), "d", {})
        assert batch.ts.tolist() == [1_777_000_000 * 10**9]


def test_a_wide_column_can_be_given_a_metric_and_a_unit(folder: Path) -> None:
    catalogue = Catalogue()
    batch_of(read_file(folder / "wide.csv.gz"), catalogue, "p", {"Other": "motor.current:A"})
    assert {(one.metric, one.unit) for one in catalogue.since(0)} == {("temperature", ""), ("motor.current", "A")}
    done = holdfast("rules", "backtest", folder / "hot.yaml", "--csv", folder / "wide.csv.gz", "--column", "None=x")
    assert done.exit_code == 2
    assert "no column None" in done.output


def test_a_picture_is_a_png_whose_dots_are_where_they_were_drawn() -> None:
    made = Picture(40, 20)
    made.area(10, 5, 20, 15, (255, 0, 0))
    made.line([0, 39], [2, 2], (0, 0, 255))
    data = made.png()
    body = b""
    at = 8
    while at < len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        kind, part = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + part)
        body += part if kind == b"IDAT" else b""
        at += 12 + size
    dots = np.frombuffer(zlib.decompress(body), np.uint8).reshape(20, 1 + 120)[:, 1:].reshape(20, 40, 3)
    assert dots[10, 15].tolist() == [255, 0, 0]
    assert dots[18, 30].tolist() == [255, 255, 255]
    assert dots[2, 30].tolist() != [255, 255, 255]


def test_an_event_is_explained_from_what_it_brought_along(folder: Path) -> None:
    make_site(folder, [], 1, 1)
    (rule,) = loaded([folder / "hot.yaml"])
    catalogue = Catalogue()
    engine = Engine([rule], catalogue, "gw")
    ids = np.full(5, catalogue.intern(Series("gw", "press-1", "temperature", "Cel", Kind.FLOAT)), np.int32)
    ts = START + np.arange(5) * 10 * NS
    batch = Batch(ids, ts, np.array([70.0, 79, 85, 90, 95]), np.zeros(5, np.uint8))
    (decision,) = engine.evaluate(batch).decisions
    store = a_store(folder / "data")
    do(store, lambda tx: tx.append_events(Lane.CRITICAL, [decision.event]))
    store.close()
    done = holdfast("rules", "explain", decision.event.id[:10], "--node", folder / "node.yaml")
    assert done.exit_code == 0, done.output
    lines = [line.split(maxsplit=1) for line in done.output.splitlines()]
    assert ["because", "t > 80"] in lines
    assert ["with", "t = 90"] in lines
    assert ["temperature:", "3 samples"] in lines
    unknown = holdfast("rules", "explain", "00000000", "--node", folder / "node.yaml")
    assert unknown.exit_code == 2
    assert "no event 00000000" in unknown.output


def test_a_backtest_asks_a_node_elsewhere(folder: Path) -> None:
    deps, stored = make_deps(), StoredGroups()
    number = deps.catalogue.intern(Series("gw", "press-9", "temperature", "Cel", Kind.FLOAT))
    stored.add([Row(number, NOW_NS - (100 - s) * NS, 90.0 if s > 50 else 60.0) for s in range(100)])
    past = replace(deps.past, history=History(stored, deps.catalogue))
    with served(replace(deps, past=past)) as port:
        url = f"http://127.0.0.1:{port}"
        done = holdfast("rules", "backtest", folder / "hot.yaml", "--node", url, "--from", "2000-01-01", "--to",
                        "2100-01-01", "--json")  # fmt: skip
    report = json.loads(done.stdout)
    assert (report["readings"], report["series"]) == (100, 1)
    assert [(a["node"], a["device"], a["cleared"]) for a in report["alerts"]] == [("gw", "press-9", None)]


def test_a_backtest_reads_a_data_folder_without_its_settings(tmp_path: Path) -> None:
    make_site(tmp_path, [], 10, 4)
    (tmp_path / "r.yaml").write_text("rules:\n  any:\n    select: m\n    when: m >= 0\n")
    span = ("--from", "2000-01-01", "--to", "2100-01-01")
    done = holdfast("rules", "backtest", tmp_path / "r.yaml", "--data", tmp_path / "data", *span, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["source"] == "past's memory"
    none = holdfast("rules", "backtest", tmp_path / "r.yaml", "--data", tmp_path, *span)
    assert none.exit_code == 2
    assert "there is no journal in" in none.output


def test_a_node_elsewhere_is_asked_for_its_events() -> None:
    with served(make_deps()) as port:
        done = holdfast("rules", "explain", "0123456789ab", "--node", f"http://127.0.0.1:{port}")
    assert done.exit_code == 2
    assert "no event 0123456789ab among the last" in done.output
