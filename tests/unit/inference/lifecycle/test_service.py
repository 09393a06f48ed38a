"""Lives in a journal: stored before they act, there again after a power cut, and labels with them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.unit.inference.lifecycle.site import START

from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.errors import ActRefused, DeploymentUnknown, LabelInvalid
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.service import Lives, running
from holdfast.inference.lifecycle.settings import LifeSettings, LimitSettings
from holdfast.inference.lifecycle.states import Command
from holdfast.journal import alert_labels, models
from holdfast.journal.alert_labels import Label as Verdict
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.models import StoredLabel
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.event import Event
from holdfast.model.features import FeatureRows, no_flags

A, B = "pump@1", "pump@2"
SETTINGS = LifeSettings(limits=LimitSettings(for_s=0.0))


def life() -> Lifecycle:
    return Lifecycle(
        "pump", [("x", 1)], {A: Facts(labels=("ok", "bad"))}, SETTINGS, np.random.default_rng(1), node="gw"
    )


def with_lives(
    folder: Path,
    body: Callable[[Lives, Journal], Awaitable[None]],
    active: str = A,
    acted: Callable[[Lifecycle], None] = lambda _: None,
) -> None:
    async def run() -> None:
        clock = ManualClock(START)
        journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        try:
            lives = Lives({"pump": life()}, journal, clock, lambda ref: ref in (A, B), acted)
            await lives.start({"pump": (active, "", ("", 0.0))})
            await body(lives, journal)
        finally:
            journal.close()

    asyncio.run(run())


def _cut(folder: Path) -> None:
    """What would be on the disk now."""
    for file in folder.glob(f"{FILE_NAME}*"):
        shutil.copy(file, folder / "cut")


def test_an_act_that_was_answered_is_there_after_a_power_cut(tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()

    async def first(lives: Lives, _: Journal) -> None:
        done = await lives.act("pump", Command("shadow", B, by="ann", why="new data"))
        assert [(one.do, one.version, one.by) for one in done.done] == [("add", B, "ann"), ("shadow", B, "ann")]
        await lives.act("pump", Command("promote", B, by="ann"))
        await lives.act("pump", Command("rollback", by="bob"))
        _cut(tmp_path)

    async def second(lives: Lives, _: Journal) -> None:
        book = lives.find("pump").book
        assert (book.active, [one.by for one in book.history][-1], book.former) == (A, "bob", ())
        assert (await lives.shown("pump")).history[0].do == "rollback"

    with_lives(tmp_path, first)
    with_lives(tmp_path / "cut", second)


def test_a_refused_act_changes_nothing_and_a_version_that_isnt_in_the_store_is_refused(tmp_path: Path) -> None:
    async def body(lives: Lives, journal: Journal) -> None:
        before = lives.find("pump").book
        with pytest.raises(ActRefused, match="pump@9 is in no store here"):
            await lives.act("pump", Command("shadow", "pump@9"))
        with pytest.raises(ActRefused, match="never ran in shadow"):
            await lives.act("pump", Command("promote", B))
        with pytest.raises(DeploymentUnknown):
            await lives.act("fan", Command("rollback"))
        assert lives.find("pump").book == before
        stored = journal.look(lambda db: models.find_book(db, "pump"))
        assert stored is not None
        assert b"pump@2" not in stored[0]

    with_lives(tmp_path, body)


def test_two_acts_at_once_follow_one_another(tmp_path: Path) -> None:
    async def body(lives: Lives, _: Journal) -> None:
        wishes = [Command("shadow", B), Command("canary", B, 10), Command("canary", B, 30), Command("promote", B)]
        await asyncio.gather(*(lives.act("pump", one) for one in wishes))
        assert lives.find("pump").book.active == B
        assert [one.do for one in lives.find("pump").book.history[-4:]] == ["shadow", "canary", "canary", "promote"]

    told: list[str] = []
    with_lives(tmp_path, body, acted=lambda one: told.append(one.book.active))
    assert told == [A, A, A, A, B]


def test_what_node_yaml_says_is_an_act_when_it_is_new(tmp_path: Path) -> None:
    async def promoted(lives: Lives, _: Journal) -> None:
        assert lives.find("pump").book.active == B
        await lives.act("pump", Command("rollback"))

    async def again(lives: Lives, _: Journal) -> None:
        assert lives.find("pump").book.active == A

    with_lives(tmp_path, lambda *_: asyncio.sleep(0))
    with_lives(tmp_path, promoted, active=B)
    with_lives(tmp_path, again, active=B)


def test_what_was_done_by_itself_is_stored_by_the_tick(tmp_path: Path) -> None:
    async def first(lives: Lives, _: Journal) -> None:
        await lives.act("pump", Command("promote", B, force=True))
        one = lives.find("pump")
        one.guard.count(START, 50, 50, 0)
        found = await lives.tick()
        assert [x.kind for x in found] == ["fallback"]
        assert one.unsaved is None

    async def second(lives: Lives, _: Journal) -> None:
        assert lives.find("pump").book.active == A

    with_lives(tmp_path, first)
    with_lives(tmp_path, second)


def test_labels_are_stored_listed_by_pages_and_one_of_an_alert_replaces_the_former(tmp_path: Path) -> None:
    async def body(lives: Lives, _: Journal) -> None:
        def label(n: int, said: str = "bad", alert: int = 0) -> Label:
            return Label(
                deployment="pump", device=f"pump-{n}", start_ns=n + 1, end_ns=n + NS_PER_S, label=said, alert=alert
            )

        for n in range(5):
            await lives.label(label(n))
        first = await lives.label(label(9, alert=7))
        second = await lives.label(label(9, "ok", alert=7))
        assert (first.id, second.id, second.node, second.made_ns) == (6, 7, "gw", START)
        page = await lives.labels("pump", limit=2)
        assert [(one.id, one.label) for one in page.labels] == [(7, "ok"), (5, "bad")]
        rest = await lives.labels("pump", limit=10, below=page.more)
        assert [one.id for one in rest.labels] == [4, 3, 2, 1]
        assert rest.more == 0
        assert [one.id for one in (await lives.labels("pump", device="pump-2")).labels] == [3]
        with pytest.raises(LabelInvalid):
            await lives.label(label(1, "odd"))

    with_lives(tmp_path, body)


def test_labels_are_counted_by_what_is_said_of_alerts_now_and_of_times(tmp_path: Path) -> None:
    async def body(lives: Lives, journal: Journal) -> None:
        async def said(number: int, verdict: Verdict) -> None:
            raised = Event(
                id=f"e{number}", kind="alert.raised", severity="warning", ts=1, node="gw", device="pump-1",
                rule="model:pump", message="odd", why={},
            )  # fmt: skip
            one = Labelled(raised.id, number, raised, 0, verdict, "", "ann", "", 1)
            await journal.submit(lambda tx: alert_labels.put(tx, one))
            about = Label(deployment="pump", device="pump-1", start_ns=1, end_ns=2, label="bad", alert=number)
            await lives.label(about)

        assert await lives.tally("pump") == (0, 0, 0)
        for number in (1, 2, 3):
            await said(number, "confirmed")
        await said(2, "rejected")
        for n in range(4):
            await lives.label(Label(deployment="pump", device=f"pump-{n}", start_ns=1, end_ns=2, label="ok"))
        assert await lives.tally("pump") == await lives.tally("pump") == (2, 1, 4)
        with pytest.raises(DeploymentUnknown):
            await lives.tally("fan")

    with_lives(tmp_path, body)


def test_of_too_many_labels_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "KEEP", 3)

    async def body(_: Lives, journal: Journal) -> None:
        for n in range(6):
            await journal.submit(partial(models.put_label, new=StoredLabel("pump", "d", n, n, b"{}")))
        assert [one.id for one in journal.look(lambda db: models.labels(db, "pump", 10))] == [6, 5, 4]
        assert journal.look(lambda db: sum(models.tally(db, "pump"))) == 3
        assert list(journal.look(models.books)) == ["pump"]

    with_lives(tmp_path, body)


def test_what_was_learned_is_kept_over_a_restart(tmp_path: Path) -> None:
    async def first(lives: Lives, _: Journal) -> None:
        one = lives.find("pump")
        rows = FeatureRows(
            "f@0", "pump", [("gw", "p")], np.zeros(200, np.int32), START + np.arange(200), np.ones((200, 1)),
            no_flags(200), 0.0,
        )  # fmt: skip
        one.saw(rows)
        await lives.keep()

    async def second(lives: Lives, _: Journal) -> None:
        status = await lives.shown("pump")
        assert (status.drift.rows, status.drift.devices) == (200, 1)
        assert (await lives.listed()).deployments[0].active == A
        await lives.relearn("pump")
        assert (await lives.shown("pump")).drift.rows == 0

    with_lives(tmp_path, first)
    with_lives(tmp_path, second)


def test_what_must_be_loaded_is_what_runs_and_the_one_to_go_back_to(tmp_path: Path) -> None:
    async def body(lives: Lives, _: Journal) -> None:
        await lives.act("pump", Command("promote", B, force=True))
        assert running(lives.find("pump").book) == [B, A]

    with_lives(tmp_path, body)
