"""A document in an application, without a node: durable at once, one process's, and never silently wrong."""

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map

from holdfast.sync.counter import MOST, Counter
from holdfast.sync.document import Document
from holdfast.sync.errors import CounterInvalid, DocumentBroken, DocumentInUse
from holdfast.sync.mirror import MOST_ROWS


def alone(folder: Path, name: str = "a") -> Document:
    return Document("shared", None, folder / f"{name}.db")


def meet(*documents: Document) -> None:
    """Let each have what the others have, as a node would."""
    for one in documents:
        for other in documents:
            one._replica.arrived(other._replica.whole())
        one.refresh()


def test_maps_arrays_texts_and_counters_are_there_again_after_a_restart(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        with document.edit():
            document.map("m")["a"] = {"b": [1, None, "é"]}
            document.array("l").append("x")
        document.text("t").insert(0, "hé")
        document.counter("n").add(3)
    with alone(tmp_path) as document:
        assert document.map("m").to_py() == {"a": {"b": [1, None, "é"]}}
        assert (document.array("l").to_py(), str(document.text("t")), document.counter("n").value) == (["x"], "hé", 3)


def test_an_edit_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        document.map("m")["a"] = 1
        with sqlite3.connect(tmp_path / "a.db") as other:
            (data,) = other.execute("SELECT data FROM holdfast_document_updates").fetchone()
        other.close()
        copy: Doc[Any] = Doc()
        copy.apply_update(data)
        assert copy.get("m", type=Map).to_py() == {"a": 1}


def test_a_copied_file_counts_on_without_touching_the_other_ones_share(tmp_path: Path) -> None:
    with alone(tmp_path) as first:
        first.counter("n").add(5)
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    with alone(tmp_path) as first, alone(tmp_path, "b") as clone:
        first.counter("n").add(10)
        clone.counter("n").add(100)
        meet(first, clone)
        assert first.counter("n").value == clone.counter("n").value == 115


def test_a_file_that_is_put_back_loses_no_count_that_others_have(tmp_path: Path) -> None:
    with alone(tmp_path, "far") as far:
        with alone(tmp_path) as first:
            first.counter("n").add(1)
        shutil.copy(tmp_path / "a.db", tmp_path / "image")
        with alone(tmp_path) as first:
            first.counter("n").add(10)
            meet(first, far)
        for beside in ("-wal", "-shm"):
            (tmp_path / f"a.db{beside}").unlink(missing_ok=True)
        shutil.copy(tmp_path / "image", tmp_path / "a.db")
        with alone(tmp_path) as first:
            first.counter("n").add(100)
            assert first.counter("n").value == 101
            meet(first, far)
            assert first.counter("n").value == far.counter("n").value == 111


def test_one_process_at_a_time_has_the_file(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(DocumentInUse, match=r"a\.db"):
        alone(tmp_path)
    alone(tmp_path).close()


def test_a_forked_process_is_refused(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        fields = document.map("m")
        pid = os.fork()
        if pid == 0:
            try:
                document.counter("n").add(1)
            except DocumentInUse:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        fields["still"] = "ours"


def test_an_edit_inside_a_letter_is_refused_and_the_document_opens_as_it_was(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        document.text("t").insert(0, "hé")
        with pytest.raises(DocumentBroken, match="UTF-8"), document.edit():
            document.text("t").insert(2, "x")
        with pytest.raises(DocumentBroken):
            document.map("m")
    with alone(tmp_path) as document:
        assert str(document.text("t")) == "hé"


def test_an_edit_that_the_disk_does_not_take_is_an_error_and_is_not_sent(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        document.map("m")["a"] = 1
        document._replica._log._db.execute("PRAGMA query_only = 1")
        with pytest.raises(DocumentBroken, match="not kept"), document.edit():
            document.map("m")["a"] = 2
        with pytest.raises(DocumentBroken):
            document.refresh()
    with alone(tmp_path) as document:
        assert document.map("m").to_py() == {"a": 1}


def test_a_week_of_offline_edits_stays_a_small_file_and_is_still_to_be_sent(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        for n in range(3 * MOST_ROWS):
            document.map("m")["a"] = n
        assert document._replica._log.count() <= MOST_ROWS
        found = document._replica.outbox()
        assert found is not None
        far: Doc[Any] = Doc()
        far.apply_update(found[1])
        assert far.get("m", type=Map).to_py() == {"a": 3 * MOST_ROWS - 1}
        document._replica.settle(found[0])
        assert document._replica.outbox() is None


def test_what_arrives_waits_until_the_application_takes_it_in(tmp_path: Path) -> None:
    with alone(tmp_path) as first, alone(tmp_path, "b") as second:
        heard: list[str] = []
        second.observe(lambda: heard.append("changed"))
        first.map("m")["a"] = 1
        second._replica.arrived(first._replica.whole())
        assert (second.map("m").to_py() or {}, heard) == ({}, [])
        assert second.wait(1)
        assert (second.map("m").to_py(), heard) == ({"a": 1}, ["changed"])
        assert not second.wait(0.001)
        assert not second.refresh()
        assert second._replica.outbox() is None


def test_without_a_node_nothing_is_delivered_and_it_says_so(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        assert not document.flush(0)
        assert document.trouble


@pytest.mark.parametrize("n", [1.5, True, "1", MOST + 1])
def test_a_counter_takes_whole_numbers_in_their_range(tmp_path: Path, n: Any) -> None:
    with alone(tmp_path) as document:
        with pytest.raises(CounterInvalid):
            document.counter("n").add(n)
        document.counter("n").add(MOST)
        assert document.counter("n").value == MOST


def test_a_map_that_is_no_counter_is_said_to_be_none(tmp_path: Path) -> None:
    with alone(tmp_path) as document:
        document.map("n")["x"] = "text"
        with pytest.raises(CounterInvalid, match="no counter wrote"):
            _ = document.counter("n").value


STEP = st.tuples(st.integers(0, 2), st.sampled_from(["add", "set", "meet", "reopen"]), st.integers(-3, 9))


@settings(max_examples=40)
@given(st.lists(STEP, max_size=30))
def test_three_replicas_that_meet_in_any_order_are_equal_and_count_exactly(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("replicas")
    documents = [alone(folder, f"{i}") for i in range(3)]
    total = 0
    for i, what, n in steps:
        if what == "add":
            documents[i].counter("n").add(n)
            total += n
        elif what == "set":
            documents[i].map("m")[f"{n}"] = i
        elif what == "meet":
            meet(documents[i], documents[n % 3])
        else:
            documents[i].close()
            documents[i] = alone(folder, f"{i}")
    meet(*documents)
    meet(*documents)
    assert [one.counter("n").value for one in documents] == [total] * 3
    assert len({str(sorted((one.map("m").to_py() or {}).items())) for one in documents}) == 1
    for one in documents:
        one.close()


def test_a_shared_cell_would_lose_counts() -> None:
    """Control: why a share belongs to one opening. Two that use one cell count less than was added."""
    docs: list[Doc[Any]] = [Doc(), Doc()]
    counters = [Counter(doc.get("n", type=Map), 7, lambda: None) for doc in docs]
    for counter in counters:
        counter.add(5)
    docs[0].apply_update(docs[1].get_update())
    assert counters[0].value < 10
