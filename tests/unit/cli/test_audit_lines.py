"""`holdfast audit list`, `verify` and `export` over a journal's file."""

import hashlib
import json
from pathlib import Path

import pytest
from tests.unit.journal.kept import NOW, a_store, do

from holdfast.cli.audit_lines import export_rows, show_lines, show_verdict
from holdfast.cli.node_api import File, Misused, file_of, settings_of
from holdfast.journal import audit_log

DONE = [("ann", "PUT /api/v1/rules/hot", 200), ("bob", "POST /api/v1/silences", 400), ("ann", "login", 0)]


def a_file(folder: Path, tampering: str = "") -> File:
    (folder / "node.yaml").write_text("node: gw\ndata: .\n")
    store = a_store(folder)
    for n, (who, what, status) in enumerate(DONE):
        body = {"who": who, "what": what, "address": "127.0.0.1"}
        if status:
            of, _ = do(store, lambda tx: audit_log.ask(tx, NOW + n, body))  # noqa: B023  # done now
            do(store, lambda tx: audit_log.answer(tx, NOW + n, of, body, status))  # noqa: B023  # done now
        else:
            do(store, lambda tx: audit_log.write(tx, NOW + n, {**body, "status": 200}))  # noqa: B023  # done now
    if tampering:
        store.db.execute(tampering)
    store.close()
    return file_of(settings_of(folder / "node.yaml"), "a test")


def test_the_list_shows_each_change_once_with_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_file(tmp_path)
    assert show_lines(file, ("", "", "", ""), 9, json=True) == 0
    found = json.loads(capsys.readouterr().out)["lines"]
    assert [(one["id"], one["who"], one["kind"], one["step"], one["status"]) for one in found] == [
        (5, "ann", "logins", "", 200),
        (3, "bob", "silences", "failed", 400),
        (1, "ann", "rules", "done", 200),
    ]
    assert show_lines(file, ("ann", "rules", "2023-11-01", ""), 9, json=False) == 0
    said = capsys.readouterr().out
    assert ("PUT /api/v1/rules/hot" in said, "silences" in said) == (True, False)
    with pytest.raises(Misused, match="--kind nothing"):
        show_lines(file, ("", "nothing", "", ""), 9, json=False)


def test_an_export_can_be_checked_by_somebody_who_has_only_its_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_file(tmp_path)
    assert export_rows(file, tmp_path / "out.jsonl", ("", "", "", "")) == 0
    assert "5 rows." in capsys.readouterr().err
    before = bytes(32)
    for number, line in enumerate((tmp_path / "out.jsonl").read_text().splitlines(), 1):
        row = json.loads(line)
        before = hashlib.sha256(before + f"\0{row['id']} {row['at_ns']}\0{row['body']}".encode()).digest()
        assert (row["id"], row["chain"]) == (number, before.hex())
    assert export_rows(file, None, ("bob", "", "", "")) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [3, 4]


def test_a_chain_that_was_broken_ends_each_of_them_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good").mkdir()
    assert show_verdict(a_file(tmp_path / "good"), json=False) == 0
    assert capsys.readouterr().out.startswith("5 rows, 1 to 5: the chain is whole (head ")
    (tmp_path / "bad").mkdir()
    file = a_file(tmp_path / "bad", "UPDATE audit_log SET body = replace(body, 'bob', 'ann')")
    assert show_verdict(file, json=True) == 1
    assert json.loads(capsys.readouterr().out)["broken_at"] == 3
    assert show_verdict(file, json=False) == show_lines(file, ("", "", "", ""), 9, json=False) == 1
    assert capsys.readouterr().out.count("Line 3 isn't what was written") == 2
    assert export_rows(file, None, ("", "", "", "")) == 1
