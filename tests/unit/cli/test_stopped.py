"""The commands on the journal file of a node that doesn't run."""

import base64
from pathlib import Path

import apsw
import pytest
from tests.unit.cli.site import RECEIVED_NS, holdfast, journal, make_site, mend, message, told
from tests.unit.journal.kept import a_store, values

from holdfast.journal.reader import JournalReader
from holdfast.journal.rows import place_of
from holdfast.model.lane import Lane
from holdfast.storage.lock import FileLock


def flip(folder: Path, first: int) -> None:
    db = apsw.Connection(str(journal(folder)))
    db.execute("UPDATE groups SET ts_min = ts_min + 1 WHERE place = ?", (place_of(Lane.BULK, first),))
    db.close()


def test_status_of_a_stopped_node_is_read_from_its_file_and_says_so(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1)], more="parent: {url: 'https://hub:1', ca: ca.pem, token_file: t}\n")
    found = told("status", settings)
    assert (found["source"], found["running"], found["node"], found["uptime_s"]) == ("file", False, "gw", None)
    assert (found["backlog"], found["parent"], found["link"]) == ([0, 0, 40, 0, 0, 0], "https://hub:1", None)
    assert (found["journal"]["condition"], found["journal"]["heads"], found["series"]) == (
        "closed",
        [0, 0, 40, 0, 0, 0],
        1,
    )
    text = holdfast("status", settings).stdout
    assert "the node is stopped" in text
    assert "backlog      critical 0, normal 0, bulk 40" in text


def test_a_stopped_node_without_models_says_that_it_has_none(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1)])
    assert holdfast("model", "status", settings).stdout.endswith("No model was deployed here.\n")


def test_rows_that_are_gone_are_no_backlog(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [], more="parent: {url: 'https://hub:1', ca: ca.pem, token_file: t}\n")
    flip(tmp_path, 11)
    assert told("journal", "scan", settings, "--repair")["whole"] is True
    pending = [lane["pending"] for lane in told("ledger", settings)["ledger"]["lanes"]]
    assert told("status", settings)["backlog"] == pending == [1, 0, 30, 0, 0, 0]  # the event tells of the damage


def test_status_shows_that_a_process_holds_the_journal(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    held = FileLock(journal(tmp_path))
    assert told("status", settings)["running"] is True
    held.release()
    assert told("status", "--data", tmp_path / "data")["running"] is False


def test_a_mistake_in_a_profile_hides_neither_status_nor_ledger(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1)])
    (tmp_path / "profile.yaml").write_text("profiles: [")
    assert holdfast("status", settings).exit_code == 0
    assert told("ledger", settings)["ledger"]["balanced"] is True
    assert holdfast("quarantine", "list", settings).exit_code == 0
    assert holdfast("quarantine", "show", settings, 1).exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "give one of"),
        (("status", "node.yaml", "--url", "http://127.0.0.1:1"), "give one of"),
        (("status", "--url", "http://example.org"), "plain HTTP is for this machine only"),
        (("status", "--url", "https://example.org/x"), "has a path"),
        (("status", "--url", "ftp://example.org"), "expected an https:// URL"),
        (("status", "--url", "https://example.org:x"), "is not a URL"),
        (("status", "--url", "https://127.0.0.1:1", "--ca", "/none.pem"), "can't be used as a CA"),
        (("status", "--url", "https://127.0.0.1:1", "--token-file", "/none"), "can't be read"),
        (("status", "--url", "http://127.0.0.1:1"), "nothing listens there"),
        (("status", "--data", "/nowhere"), "there is no journal at /nowhere/journal.db"),
        (("ledger", "/nowhere/node.yaml"), "can't be read"),
    ],
)
def test_wrong_usage_gets_a_sentence_and_a_hint(words: tuple[str, ...], said: str) -> None:
    done = holdfast(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_journal_of_an_older_version_is_left_alone(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    db = apsw.Connection(str(journal(tmp_path)))
    db.pragma("user_version", 1)
    db.close()
    done = holdfast("ledger", settings)
    assert done.exit_code == 2
    assert "start the node once with this version" in done.stderr


def test_the_ledger_accounts_for_every_message_and_row(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1), message(2, "malformed")])
    found = told("ledger", settings, "--verify")
    assert (found["verified"], found["ledger"]["balanced"]) == (True, True)
    text = holdfast("ledger", settings).stdout
    assert "6 received = 4 accepted + 2 quarantined (1 malformed, 1 stale) + 0 duplicates" in text
    assert "Balanced, by the counters" in text


def test_a_ledger_that_does_not_balance_is_a_finding(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    db = apsw.Connection(str(journal(tmp_path)))
    db.execute("DELETE FROM groups WHERE place = ?", (place_of(Lane.BULK, 11),))
    db.close()
    assert holdfast("ledger", settings).exit_code == 0
    found = told("ledger", settings, "--verify", code=1)
    assert found["ledger"]["lanes"][2]["residual"] == 10
    assert "NOT balanced, counted in the file" in holdfast("ledger", settings, "--verify").stdout


def test_refused_messages_are_listed_by_filter_newest_first(tmp_path: Path) -> None:
    rows = [message(1), message(2, "malformed"), message(3, topic="plant/a/b"), message(4)]
    settings = make_site(tmp_path, rows)

    def ids(*words: object) -> list[int]:
        return [row["id"] for row in told("quarantine", "list", settings, *words)]

    assert ids() == [4, 3, 2, 1]
    assert ids("--limit", 2) == [4, 3]
    assert ids("--reason", "malformed") == [2]
    assert ids("--topic", "plant/+") == [4, 2, 1]
    assert ids("--source", "client", "--since", (RECEIVED_NS + 3 * 10**9) // 10**9) == [4, 3]
    assert ids("--since", "2027-01-01") == []
    assert "No refused message fits." in holdfast("quarantine", "list", settings, "--reason", "x").stdout
    assert "is no time" in holdfast("quarantine", "list", settings, "--since", "noon").stderr


def test_one_message_is_shown_with_its_bytes_and_what_the_profile_says_now(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1), message(2, "malformed", payload=b"\xff\x1b[2J")])
    assert "Today's profiles refuse it, too: stale" in holdfast("quarantine", "show", settings, 1).stdout
    mend(tmp_path)
    text = holdfast("quarantine", "show", settings, 1).stdout
    assert "a replay would store 1 reading" in text
    assert "gw/press-1/temperature" in text
    found = told("quarantine", "show", settings, 2)
    assert base64.b64decode(found["message"]["payload"]) == b"\xff\x1b[2J"
    assert "ff 1b 5b 32 4a" in holdfast("quarantine", "show", settings, 2).stdout
    assert holdfast("quarantine", "show", settings, 2, "--raw").stdout_bytes == b"\xff\x1b[2J"
    assert "no refused message has the id 9" in holdfast("quarantine", "show", settings, 9).stderr


def test_a_replay_of_a_stopped_node_stores_each_message_once(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1), message(2), message(3, "malformed", payload=b"{")], groups=0)
    mend(tmp_path)
    dry = told("quarantine", "replay", settings, "--dry-run")
    assert (dry["replayed"], dry["readings"], dry["still_rejected"]) == (2, 2, {"malformed": 1})
    assert told("quarantine", "replay", settings, "--ids", "2,3")["replayed"] == 1
    text = holdfast("quarantine", "replay", settings).stdout
    assert text == "1 message became 1 reading.\nStill refused: 1 malformed.\n"
    assert told("quarantine", "replay", settings)["replayed"] == 0
    reader = JournalReader(journal(tmp_path))
    assert values(reader) == [2.0, 1.0]
    reader.close()
    assert told("ledger", settings, "--verify")["ledger"]["balanced"] is True
    assert "are no ids" in holdfast("quarantine", "replay", settings, "--ids", "1,x").stderr


def test_a_replay_beside_a_running_node_without_api_is_refused(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [message(1)])
    held = FileLock(journal(tmp_path))
    done = holdfast("quarantine", "replay", settings)
    assert done.exit_code == 2
    assert "stop it for the replay" in done.stderr
    held.release()


def test_a_whole_journal_is_whole(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    found = told("journal", "scan", settings)
    assert (found["groups"], found["whole"], found["damaged"], found["structure"]) == (4, True, [], [])
    assert holdfast("journal", "scan", settings).stdout.endswith("Whole.\n")


def test_damage_is_told_and_a_repair_turns_exactly_that_into_a_gap(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    flip(tmp_path, 11)
    found = told("journal", "scan", settings, code=1)
    assert [(d["lane"], d["first"], d["last"]) for d in found["damaged"]] == [(2, 11, 20)]
    assert "run this with --repair" in holdfast("journal", "scan", settings).stdout
    mended = told("journal", "scan", settings, "--repair")
    assert [(g["lane"], g["first"], g["last"], g["rows"]) for g in mended["repaired"]] == [(2, 11, 20, 10)]
    assert (mended["remain"], mended["whole"]) == ([], True)
    assert told("journal", "scan", settings)["whole"] is True
    ledger = told("ledger", settings, "--verify")["ledger"]
    assert (ledger["balanced"], ledger["lanes"][2]["shed"]) == (True, {"damaged": 10})
    assert [(g["first"], g["last"], g["reason"]) for g in ledger["gaps"]] == [(11, 20, "damaged")]
    text = holdfast("ledger", settings).stdout
    assert "11..20" in text
    assert "10 damaged" in text


def test_a_repair_needs_the_node_stopped(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [])
    flip(tmp_path, 11)
    store = a_store(tmp_path / "data")
    done = holdfast("journal", "scan", settings, "--repair")
    store.close()
    assert done.exit_code == 2
    assert "is in use by process" in done.stderr


def test_damage_to_the_database_file_itself_is_told_without_a_repair_being_promised(tmp_path: Path) -> None:
    settings = make_site(tmp_path, [], groups=200)
    path = journal(tmp_path)
    db = apsw.Connection(str(path))
    db.wal_checkpoint(mode=3)
    (root,) = next(iter(db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'groups'")))
    db.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 100)
    found = told("journal", "scan", settings, code=1)
    assert found["structure"]
    assert told("journal", "scan", settings, "--repair", code=1)["repaired"] == []
    assert "restore a backup" in holdfast("journal", "scan", settings).stdout
