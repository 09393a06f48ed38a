"""`holdfast model status|shadow|canary|…`, of a node that runs and of one that's stopped."""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet
from tests.unit.inference.lifecycle.deployed import deployed
from tests.unit.inference.lifecycle.site import A, B
from typer.testing import CliRunner, Result

from holdfast.cli.main import app


def model(*words: object) -> Result:
    return CliRunner().invoke(app, ["model", *map(str, words)], env={"COLUMNS": "200"})


def said(*words: object, code: int = 0) -> str:
    found = model(*words)
    assert found.exit_code == code, found.output
    return found.stdout


def test_a_version_is_looked_at_let_act_and_taken_back(tmp_path: Path) -> None:
    with deployed(tmp_path) as (_, pumps):
        settings = tmp_path / "node.yaml"
        assert "pump        pump@1  -         pump@2" in said("status", settings)
        report = said("report", settings, "pump", code=1)
        assert report.startswith("pump@2 beside pump@1: worse\n  the error rate is higher by the new one: +0.3")
        for line in (
            "rows answered by both",
            "McNemar, exact, for one look",
            "latency p50, p99",
            "active ↓ this one →",
        ):
            assert line in report
        shown = said("canary", settings, "pump", B, 25, "--by", "ann", "--why", "to see")
        assert shown == "pump@2: shadow → canary, 25 %\npump@1 is active.\n"
        pumps.minutes(1)
        assert "canary-aborted" in {one.kind for one in pumps.found}
        found = said("status", settings, "pump")
        assert "canary → retired    worse: the error rate is higher" in found
        forced = said("promote", settings, "pump", B, "--force", "--by", "ann")
        assert forced.endswith("pump@2 is active.\n")
        assert said("rollback", settings, "pump", "--by", "bob").endswith("pump@1 is active.\n")
        assert model("promote", settings, "pump", B).exit_code == 2
        found = said("status", settings, "pump")
        assert "nothing" not in found
        by_version = {line.split()[0]: line for line in found.splitlines() if line.startswith("pump@")}
        assert by_version["pump@1"].rstrip().endswith("100 %  -")  # against itself it has no verdict
        assert "retired" in by_version["pump@2"]
        assert "taken back: " in by_version["pump@2"]
        drift = said("drift", settings, "pump")
        assert drift.splitlines()[0].split() == [
            "feature", "PSI", "24", "h", "limit", "KS", "24", "h", "limit", "devices", "lately",
        ]  # fmt: skip
        assert "laying bins" in drift
        assert said("drift", settings, "pump", "--relearn").startswith("pump learns anew what is usual; until it knows")
        assert model("report", settings, "pump", "pump@9").exit_code == 2
    stopped = said("status", settings, "pump")
    assert "the node is stopped" in stopped
    assert "pump: pump@1 is active" in stopped
    assert ["bob", "rollback"] in [line.split()[1:3] for line in stopped.splitlines()]
    assert model("shadow", settings, "pump", B).exit_code == 2
    assert A in stopped


def test_labels_are_added_listed_and_exported_from_the_node_and_from_its_file(tmp_path: Path) -> None:
    settings = tmp_path / "node.yaml"

    def exported(name: str) -> pa.Table:
        shown = said("labels", "export", settings, "pump", "-o", tmp_path / name)
        assert shown == f"2 labels written to {tmp_path / name}\n"
        return (csv.read_csv if name.endswith("csv") else parquet.read_table)(tmp_path / name)

    with deployed(tmp_path):
        added = said(
            "labels", "add", settings, "pump", "pump-3", "fault", "--from", "-2h", "--to", "-1h", "--by", "ann"
        )
        assert added.startswith("pump-3 was fault from ")
        assert added.endswith(" (label 1)\n")
        said("labels", "add", settings, "pump", "pump-4", "!fault", "--from", "-2h", "--by", "bob")
        assert model("labels", "add", settings, "pump", "pump-4", "odd", "--from", "-2h").exit_code == 2
        listed = said("labels", "list", settings, "pump")
        assert [line.split()[:2] for line in listed.splitlines()[1:]] == [["2", "pump-4"], ["1", "pump-3"]]
        table = exported("a.parquet")
        assert table.column("label").to_pylist() == ["fault", "!fault"]
        assert model("labels", "export", settings, "pump", "-o", tmp_path / "a.txt").exit_code == 2
    assert exported("b.csv").column("by").to_pylist() == ["ann", "bob"]
    assert exported("b.parquet").equals(table)
