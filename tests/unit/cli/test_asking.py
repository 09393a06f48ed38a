"""The past on the command line: of a stopped node's files, of a node that answers, and through `holdfast.client`."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.unit.cli.site import holdfast, served, told
from tests.unit.history.lake.site import NS, START, Site, readings
from tests.unit.history.stored import Row, StoredGroups
from tests.unit.web.doors import NOW_NS, make_deps

from holdfast.cli import plot
from holdfast.client import Client, NodeRefused
from holdfast.client import told as told_of
from holdfast.history.answers import Answer, Column
from holdfast.history.query import History
from holdfast.history.question import Missing, Source
from holdfast.transport.errors import AddressInvalid
from holdfast.web.deps import WebDeps

FROM, TO = "2023-11-15T00:00:00Z", "2023-11-15T04:00:00Z"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """node.yaml of a stopped node: three hours in files, the fourth in the journal."""

    async def body() -> None:
        site = Site(tmp_path / "data", series=2)
        for hour in range(4):
            rows = [
                (n, START + (hour * 3600 + s) * NS, float(s % 7), 6 if s == 0 else 0)
                for s in range(0, 3600, 10)
                for n in range(2)
            ]
            await site.send(readings(rows, [False, True]))
            if hour == 2:
                await site.keeper.take_all()
        site.close()

    asyncio.run(body())
    (tmp_path / "node.yaml").write_text("node: gw\ndata: data\nhistory: true\n")
    return tmp_path / "node.yaml"


def test_a_stopped_node_is_asked_by_its_files_and_says_what_the_answer_was_made_of(node: Path) -> None:
    done = holdfast("query", node, "d0/m", "--from", FROM, "--to", TO, "--step", "1h", "--agg", "count,bad,mean,p95")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "the node is stopped" in lines[0]
    assert lines[1] == "gw/d0/m [Cel]: 4 steps of 1 h with 1,436 usable readings, 4 bad"
    assert lines[3].split()[:3] == ["2023-11-15T00:00:00Z", "359", "1"]
    assert [line.split()[0] for line in lines if line.startswith(("warm", "journal", "missing"))] == [
        "warm",
        "journal",
        "missing",
    ]


def test_points_are_shown_with_their_quality_and_a_limit_is_said(node: Path) -> None:
    done = holdfast("query", node, "*", "--from", FROM, "--to", TO, "--limit", "4").stdout
    assert "bad (out of range)" in done
    assert "There is more" in done
    assert "w3" in done


@pytest.mark.parametrize("step", ["", "30m"])
def test_csv_parquet_and_json_hold_the_same_rows(node: Path, tmp_path: Path, step: str) -> None:
    words = ("query", node, "d0/m", "--from", FROM, "--to", TO, *(("--step", step) if step else ()))
    parquet = tmp_path / "out.parquet"
    assert holdfast(*words, "--format", "parquet", "--out", parquet).exit_code == 0
    table = pq.read_table(parquet)
    csv = holdfast(*words, "--format", "csv").stdout.splitlines()
    assert len(table) == len(csv) - 1 == (8 if step else 1440)
    answer = json.loads(holdfast(*words, "--format", "json").stdout)
    column = answer["series"][0]
    assert sorted(table.column("last" if step else "value").to_pylist()) == sorted(column["last" if step else "value"])
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


def test_a_plot_has_the_line_the_scale_the_sources_and_what_is_doubtful(node: Path) -> None:
    text = holdfast("query", node, "*/m", "--from", FROM, "--to", TO, "--step", "10m", "--format", "plot").stdout
    assert "gw/d0/m [Cel]  min 0  max 6" in text
    assert any("⠀" < char <= "⣿" for char in text)
    assert "red: bad" in text
    assert "warm" in text
    assert "not drawn: 1 series" in text


def test_what_is_gone_and_coarse_is_drawn_under_the_plot_and_silence_is_not_joined() -> None:
    ts = [START + n * 60 * NS for n in (*range(20), *range(40, 60))]
    column = Column("gw/a/b", "Cel", "float", ts, mean=[float(n) for n in range(40)], bad=[0] * 39 + [1])
    sources = [Source("warm", START, START + 1800 * NS, 40, 60, 0.25), Source("journal", START, START, 1)]
    gone = [Missing(START + 1200 * NS, START + 2400 * NS, 7, "disk")]
    answer = Answer(START, START + 3600 * NS, 60 * NS, [column], True, sources, gone)
    lines = plot.drawn(answer, 80, 30, colours=False)
    assert any("warm 1 min" in line and "off by 0.25" in line for line in lines)
    assert any("missing" in line and "\u2573" in line and "7 rows: disk" in line for line in lines)
    assert any("There is more" in line for line in lines)
    middle = [line[12 + 23 : 12 + 43] for line in lines if "│" in line or "┤" in line]
    assert not any(part.strip() for part in middle)
    assert all("\x1b" not in line for line in lines)
    assert any("\x1b[36m" in line for line in plot.drawn(answer, 80, 30, colours=True))
    assert plot.drawn(replace_series(answer), 80, 30, colours=False)[0] == "No numbers in this time."


def replace_series(answer: Answer) -> Answer:
    return Answer(answer.from_ns, answer.to_ns, None, [], False)


def test_last_and_series_of_a_stopped_node(node: Path) -> None:
    found = told("last", node)["series"]
    assert [(row["series"], row["value"], row["tier"]) for row in found] == [
        ("gw/d0/m", 6.0, "journal"),
        ("gw/d1/m", "w6", "journal"),
    ]
    earlier = told("last", node, "--as-of", "2023-11-15T01:00:05Z", "--unit", "Cel", "--device", "d0")["series"]
    assert [(row["value"], row["quality"], row["tier"]) for row in earlier] == [(0.0, "bad", "warm")]
    assert [row["name"] for row in told("series", node, "--kind", "text")["series"]] == ["gw/d1/m"]
    assert "gw/d0/m" in holdfast("last", node, "d0/*").stdout
    assert "No series matches" in holdfast("series", node, "--unit", "Pa").stdout


def test_sql_of_a_stopped_node_in_every_format(node: Path, tmp_path: Path) -> None:
    words = ("sql", node, "SELECT device, count(*) AS n, max(value) AS v FROM readings GROUP BY ALL ORDER BY ALL")
    assert [line.split() for line in holdfast(*words).stdout.splitlines()] == [
        ["device", "n", "v"],
        ["d0", "1440", "6"],
        ["d1", "1440"],
        ["(2", "rows)"],
    ]
    assert holdfast(*words, "--format", "csv").stdout.splitlines()[1] == '"d0",1440,6'
    assert json.loads(holdfast(*words, "--format", "json").stdout.splitlines()[1]) == {
        "device": "d1",
        "n": 1440,
        "v": None,
    }
    assert holdfast(*words, "--format", "parquet", "--out", tmp_path / "x.parquet").exit_code == 0
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("query", "NODE"), "no series was named"),
        (("query", "NODE", "x"), "names no series"),
        (("query", "NODE", "a/b", "--from", "yesterday"), "is no time"),
        (("query", "NODE", "a/b", "--step", "soon"), "is no duration"),
        (("query", "NODE", "a/b", "--agg", "median"), "is not allowed"),
        (("query", "NODE", "a/b", "--format", "parquet"), "goes into a file"),
        (("query", "NODE", "a/b", "--format", "csv", "--out", "/nowhere/x.csv"), "can't be written"),
        (("query", "NODE", "a/b", "--format", "json", "--out", "/nowhere/x"), "can't be written"),
        (("last", "NODE", "--as-of", "soon"), "is no time"),
        (("sql", "NODE", "SELECT 1", "SELECT 2"), "one statement"),
        (("sql", "http://127.0.0.1:1", "SELECT 1"), "a URL has none"),
        (("sql", "NODE", "SELECT 1", "--memory", "much"), "is no size"),
        (("sql", "NODE", "SELECT 1", "--format", "plot"), "needs series"),
        (("sql", "NODE", "DROP VIEW readings"), "one SELECT is taken"),
        (("query", "http://example.org", "a/b"), "plain HTTP"),
    ],
)
def test_what_was_typed_wrong_is_said_with_what_to_do(node: Path, words: tuple[str, ...], said: str) -> None:
    done = holdfast(*(node if word == "NODE" else word for word in words))
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) > 1 or "; write" in done.stderr


def test_the_node_at_hand_is_meant_when_none_is_named(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("query", "d0/m", "--from", FROM, "--to", TO, "--step", "1h")
    monkeypatch.chdir(node.parent)
    assert "4 steps" in holdfast(*words).stdout
    (node.parent / "hub.yaml").write_text("node: hub\n")
    assert "there are node.yaml and hub.yaml here" in holdfast(*words).stderr
    monkeypatch.setitem(os.environ, "HOLDFAST_NODE", str(node))
    monkeypatch.chdir("/")
    assert "4 steps" in holdfast(*words).stdout
    monkeypatch.delitem(os.environ, "HOLDFAST_NODE")
    assert "no node was named" in holdfast(*words).stderr
    assert "4 steps" in holdfast(*words, "--node", node).stdout


def test_a_node_that_answers_is_asked_over_its_api(tmp_path: Path) -> None:
    with served(make_deps()) as port:
        url = f"http://127.0.0.1:{port}"
        assert (
            "bad (out of range)"
            in holdfast(
                "query", url, "press-1/*", "--from", "2023-11-14T22:00:00Z", "--to", "2023-11-14T23:00:00Z"
            ).stdout
        )
        assert [row["tier"] for row in told("last", url, "press-1/*")["series"]] == ["memory"]
        assert told("series", url, "--unit", "Cel")["total"] == 1
        out = tmp_path / "x.csv"
        assert holdfast("query", url, "press-1/*", "--format", "csv", "--out", out).exit_code == 0
        assert len(out.read_text().splitlines()) == 3
        assert "names no series" in holdfast("query", url, "x").stderr


def test_the_client_gives_arrow_tables_with_what_is_to_be_said() -> None:
    with served(make_deps()) as port:
        client = Client(f"http://127.0.0.1:{port}")
        table = client.query("press-1/*", "-2m")
        assert table.column("value").to_pylist() == [20.0, 22.0]
        assert (told_of(table)["truncated"], told_of(table)["sources"][0]["tier"]) == (False, "journal")
        steps = client.query(["press-1/*"], "-1h", step="1h", aggregates=["max", "count"])
        assert steps.select(["count", "max"]).to_pylist() == [{"count": 1, "max": 20.0}]
        assert len(client.query("press-9/*")) == 0
        assert client.last(unit="Cel").select(["series", "value"]).to_pylist() == [
            {"series": "gw/press-1/temperature", "value": 22.0}
        ]
        assert client.series().column("name").to_pylist() == ["gw/oven/state", "gw/press-1/temperature"]
        with pytest.raises(NodeRefused, match="names no series") as refused:
            client.query("x")
        assert refused.value.hint


def test_the_client_sorts_by_series_and_time_whatever_order_the_node_gives() -> None:
    deps, stored = make_deps(), StoredGroups()
    for at in (3, 1, 2):
        stored.add([Row(0, NOW_NS - at * 10**9, float(at))])
        stored.add([Row(1, NOW_NS - at * 10**9, 0.0)], texts=(f"w{at}",))
    past = replace(deps.past, history=History(stored, deps.catalogue))
    with served(replace(deps, past=past)) as port:
        rows: list[Any] = Client(f"http://127.0.0.1:{port}").query("*").select(["device", "value", "text"]).to_pylist()
    assert [row["text"] for row in rows[:3]] == ["w3", "w2", "w1"]
    assert [row["value"] for row in rows[3:]] == [3.0, 2.0, 1.0]


def test_the_client_refuses_plain_http_to_elsewhere_and_says_when_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(AddressInvalid):
        Client("http://example.org:80")
    with pytest.raises(NodeRefused, match="no node answers"):
        Client("http://127.0.0.1:9").query("a/b")


def test_half_an_answer_is_no_answer_to_the_client() -> None:
    deps = broken()
    with served(deps) as port, pytest.raises(NodeRefused, match=r"half-way.*disk I/O"):
        Client(f"http://127.0.0.1:{port}").query("press-1/*")


def broken() -> WebDeps:
    from tests.unit.web.test_arrow import Breaking

    deps, stored = make_deps(), Breaking()
    stored.add_many(20, 30_000, NOW_NS)
    return replace(deps, past=replace(deps.past, history=History(stored, deps.catalogue)))
