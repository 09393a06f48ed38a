from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.cli.starting import FolderTaken, begin
from holdfast.node.settings import read_plan


def test_what_is_written_runs_as_it_stands(tmp_path: Path) -> None:
    plan = read_plan(begin(tmp_path / "site", "press-hall"))
    assert plan.settings.node == "press-hall"
    assert plan.rules


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("mine")
    with pytest.raises(FolderTaken):
        begin(tmp_path)
    assert not (tmp_path / "node.yaml").exists()
    assert (tmp_path / "rules.yaml").read_text() == "mine"


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--name", "no spaces"])
    assert asked.exit_code == 78
    assert "node" in asked.output


def test_the_next_commands_are_told(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["init", str(tmp_path / "x")])
    assert asked.exit_code == 0, asked.output
    assert f"holdfast run {tmp_path / 'x' / 'node.yaml'}" in asked.output
