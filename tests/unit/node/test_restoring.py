"""What lies beside the journal goes into its backups, and comes back with it."""

import asyncio
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.cli.main import app
from holdfast.identity.people.book import FILE_NAME as PEOPLE
from holdfast.identity.people.book import BookFile
from holdfast.identity.people.roles import Role
from holdfast.journal.alerts import Silence, silence, silences
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import SystemClock
from holdfast.node.backup import Backups, BackupSettings, backups_in
from holdfast.node.kept import MOST_BYTES, give_back, kept_of
from holdfast.node.rule_versions import Version, Versions
from holdfast.storage.backup import kept_in
from holdfast.storage.lock import FileLock
from holdfast.telemetry.happenings import Telemetry

RULE = "rules:\n  hot:\n    when: temp > 30   # as the day shift wants it\n"
SWITCHED = '{"hot": {"by": "ada", "at_ns": 5}}'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A stopped node with everything that a backup must bring back, and one backup of it."""
    (tmp_path / "node.yaml").write_text("node: gw\ndata: data\nbackup: {folder: copies}\njournal: {key: {file: k}}\n")
    (tmp_path / "k").write_bytes(bytes(range(32)))
    (tmp_path / "k").chmod(0o600)
    rules = tmp_path / "data" / "rules"
    rules.mkdir(parents=True)
    (rules / "hot.yaml").write_text(RULE)
    (rules / "switched.json").write_text(SWITCHED)
    Versions(rules).add("hot", Version(1, 5, "ada", "made", RULE, on=True))
    BookFile(tmp_path / "data" / PEOPLE).change(lambda book: book.add("ada", Role.ADMIN, "correct horse battery", 5))
    asyncio.run(back_up_once(tmp_path))
    return tmp_path


async def back_up_once(folder: Path) -> None:
    clock, log = SystemClock(), list[str]()
    journal = Journal(Access(folder / "data" / FILE_NAME, bytes(range(32))), "gw", JournalSettings(), clock)
    row = QuarantineRow(0, 5, "press", "a/b", "not_json", "no JSON", b"the bytes")
    await journal.submit(lambda tx: tx.quarantine([row], 10))
    await journal.submit(lambda tx: silence(tx, Silence(0, "{}", "ada", "service day", 5, 1 << 60)))
    await Backups(BackupSettings("copies"), folder / "copies", journal, clock, Telemetry(clock, log.append)).once()
    journal.close()
    assert any("BackupMade" in line for line in log), log


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["backup", words[0], str(folder / "node.yaml"), *words[1:]])


def the_backup(folder: Path) -> Path:
    (found,) = backups_in(folder / "copies", "gw")
    return found


def test_after_the_disk_died_rules_switches_people_quarantine_and_silences_come_back(site: Path) -> None:
    assert the_backup(site).stat().st_mode & 0o777 == 0o600, "hashes of passwords are in it"
    shutil.rmtree(site / "data")
    assert str(the_backup(site)) in run(site, "list").output
    done = run(site, "restore", str(the_backup(site)))
    assert done.exit_code == 0, done.output
    assert "came back: 4 files" in done.output
    rules = site / "data" / "rules"
    assert (rules / "hot.yaml").read_text() == RULE
    assert (rules / "switched.json").read_text() == SWITCHED
    assert Versions(rules).of("hot")[0].by == "ada"
    people = site / "data" / PEOPLE
    assert people.stat().st_mode & 0o777 == 0o600
    assert BookFile(people).read().person("ada") is not None
    restored = JournalReader(Access(site / "data" / FILE_NAME, bytes(range(32))))
    assert [row.payload for row in restored.quarantined(10)] == [b"the bytes"]
    assert [one.why for one in restored.look(silences)] == ["service day"]
    restored.close()
    assert kept_in(site / "data" / FILE_NAME, bytes(range(32))) == {}, "the files lie in the journal, too"


def test_people_and_rules_that_are_there_stay_as_they_are_and_are_told(site: Path) -> None:
    book = BookFile(site / "data" / PEOPLE)
    book.change(lambda now: now.add("bob", Role.VIEWER, "another long one", 6).without("ada"))
    (site / "data" / FILE_NAME).unlink()
    done = run(site, "restore", str(the_backup(site)))
    assert done.exit_code == 0, done.output
    assert f"left as here: {PEOPLE}" in done.output
    assert [one.name for one in book.read().people] == ["bob"], "who was removed is back"


def test_a_journal_that_is_there_is_only_replaced_when_told_and_then_set_aside(site: Path) -> None:
    refused = run(site, "restore", str(the_backup(site)))
    assert refused.exit_code == 2
    assert "is there already" in refused.output
    (site / "data" / "rules" / "hot.yaml").write_text("rules: {}\n")
    done = run(site, "restore", str(the_backup(site)), "--replace")
    assert done.exit_code == 0, done.output
    assert (site / "data" / "rules" / "hot.yaml").read_text() == RULE
    names = {file.name.partition(".before-")[0] for file in (site / "data").glob("*.before-*")}
    assert names == {"rules", FILE_NAME}


def test_a_running_nodes_journal_another_nodes_backup_and_a_file_that_is_none_are_refused(site: Path) -> None:
    held = FileLock(site / "data" / FILE_NAME)
    assert "is in use" in run(site, "restore", str(the_backup(site)), "--replace").output
    held.release()
    foreign = site / "copies" / "other-20260101T000000Z.db"
    shutil.copyfile(the_backup(site), foreign)
    assert "is of the node other" in run(site, "restore", str(foreign), "--replace").output
    (site / "copies" / "half.db").write_bytes(b"half a copy" * 1000)
    assert run(site, "restore", str(site / "copies" / "half.db"), "--replace").exit_code == 2
    assert (site / "data" / FILE_NAME).exists()


def test_a_neighbours_backups_are_not_taken_for_this_nodes(tmp_path: Path) -> None:
    for name in ("gw-20260101T000000Z.db", "gw-2-20260101T000000Z.db"):
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in backups_in(tmp_path, "gw")] == ["gw-20260101T000000Z.db"]


def test_a_foreign_backup_writes_nowhere_else_and_too_much_history_stays_out(tmp_path: Path) -> None:
    bad = ["../evil.yaml", "/etc/x.yaml", "rules/../../x.yaml", "rules/..", "node.yaml", "rules/history/../x.json"]
    given = give_back(dict.fromkeys(bad, b"x"), tmp_path / "data")
    assert (given.written, given.others) == ([], [])
    assert not list(tmp_path.rglob("*x*"))
    history = tmp_path / "data" / "rules" / "history"
    history.mkdir(parents=True)
    for n in range(3):
        with (history / f"r{n}.json").open("wb") as file:
            file.truncate(MOST_BYTES // 2 - 1)
    (tmp_path / "data" / "rules" / "hot.yaml").write_text(RULE)
    kept, left_out = kept_of(tmp_path / "data")
    assert "rules/hot.yaml" in kept
    assert (len(kept), left_out) == (2, 2)
