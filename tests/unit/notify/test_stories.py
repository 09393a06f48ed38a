"""Comments on alerts, and what became of an alert."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.notify.house import OPS, House, Notice, play

from holdfast.journal import alert_history
from holdfast.journal.blobs import decode_events
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import FIRST_KINDS, Event
from holdfast.model.lane import Lane
from holdfast.notify.errors import AlertUnknown, RequestInvalid
from holdfast.notify.filters import Filter
from holdfast.web.alert_stories import story


def events(house: House, kind: str) -> list[Event]:
    groups = house.journal.read(Lane.CRITICAL, 0, 1_000)
    return [one for group in groups for one in decode_events(group.blob) if one.kind == kind]


def test_several_people_comment_and_each_is_an_event_with_who_and_when(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.service.comment(1, "ann", "looks like the belt")
        house.clock.advance(60)
        await house.service.comment(1, "bob", "<b>it's</b> the fan")
        await house.service.once()  # its own events come by here again
        assert house.history(1) == [
            ("commented", "ann", "looks like the belt"),
            ("commented", "bob", "<b>it's</b> the fan"),
        ]
        said = events(house, "alert.commented")
        assert [(one.why["by"], one.why["comment"], one.device) for one in said] == [
            ("ann", "looks like the belt", "d1"),
            ("bob", "<b>it's</b> the fan", "d1"),
        ]
        assert said[1].ts - said[0].ts == 60 * NS_PER_S
        assert "alert.commented" not in FIRST_KINDS  # an older parent isn't sent it
        await house.clear("d1")
        await house.service.comment(1, "ann", "the fan was it")
        assert len(house.history(1)) == 3

    play(tmp_path, body, text="channels: {}")


def test_a_comment_made_below_is_known_above_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", node="site-1")
        (one,) = house.alerts()
        why = {"event": one.event, "by": "ann", "comment": "on my way", "said_by": "site-1"}
        said = house.event("d1", "alert.commented", node="site-1", why=why)
        await house.put(said)
        await house.put(said)
        assert house.history(1) == [("commented", "ann", "on my way")]
        await house.put(house.event("d9", "alert.commented", why={**why, "event": "unheard of"}))
        assert house.history(1) == [("commented", "ann", "on my way")]

    play(tmp_path, body, text="channels: {}")


def test_comments_are_bounded_and_need_words_and_an_alert(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        with pytest.raises(AlertUnknown, match="no alert 7"):
            await house.service.comment(7, "ann", "x")
        with pytest.raises(RequestInvalid, match="`comment` is empty"):
            await house.service.comment(1, "ann", "  ")
        for n in range(alert_history.MOST_COMMENTS):
            await house.service.comment(1, "ann", f"{n}")
        with pytest.raises(RequestInvalid, match="has 200 comments"):
            await house.service.comment(1, "ann", "one more")
        assert len(events(house, "alert.commented")) == alert_history.MOST_COMMENTS

    play(tmp_path, body, text="channels: {}")


def test_a_story_tells_who_was_told_by_what_and_what_people_did(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(1)
        made = await house.service.silence(Filter(), house.clock.wall_ns() + 100 * NS_PER_S, "ann", "works")
        await house.pass_(3600)
        await house.pass_(0)
        await house.service.comment(1, "ann", "on my way")
        house.clock.advance(1)
        await house.service.acknowledge(1, "ann", "mine")
        await house.pass_(5)
        await house.clear("d1")
        await house.pass_(1)
        found = house.journal.look(lambda db: alert_history.of_alert(db, 1))
        (alert,) = house.alerts(state="closed")
        told = [(one.kind, one.who) for one in story(alert, found, None)]
        assert told == [
            ("raised", "gw"),
            ("escalated", "ops"),
            ("told", "ops"),
            ("reminded", "ops"),
            ("commented", "ann"),
            ("acknowledged", "ann"),
            ("cleared", "gw"),
            ("ended", "ops"),
        ]
        assert made.id == 1

    text = "channels: {ops: {slack: {url: 'https://chat'}, repeat: 1h}}\nescalations: {hard: [{channel: ops}]}"
    play(tmp_path, body, text=text, rules={"hot": [Notice(escalation="hard")]})


def test_a_silence_shows_in_the_story_and_lines_that_nobody_wrote_are_bounded(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.service.silence(Filter(), house.clock.wall_ns() + 100 * NS_PER_S, "ann", "works")
        await house.raise_("d1")
        await house.tell()
        assert house.history(1) == [("silenced", "ops", "1")]
        await house.service.comment(1, "ann", "hm")
        for _ in range(alert_history.KEPT + 20):
            await house.pass_(120)
        lines = house.history(1)
        assert len(lines) == alert_history.KEPT + 1
        assert ("commented", "ann", "hm") in lines
        assert {kind for kind, *_ in lines} == {"commented", "reminded"}

    play(tmp_path, body, text=OPS % ", repeat: 1m")


def test_the_rules_text_is_kept_as_it_was_when_it_raised_the_alert(tmp_path: Path) -> None:
    def why(version: str, **other: Any) -> dict[str, Any]:
        return {"decided_on": "gw", "rule_version": version, "inputs": {"t": {"ts": [1], "values": [2]}}, **other}

    async def body(house: House) -> None:
        house.rule_texts = {"hot": ("v1", '{"when":"t > 7"}')}
        await house.raise_("d1", why=why("v1"))
        house.rule_texts = {"hot": ("v2", '{"when":"t > 9"}')}
        await house.raise_("d2", why=why("v2"))
        await house.raise_("d3", why=why("v0"))  # changed before the book heard of it
        await house.raise_("d4", why=why("v3", decided_on="site-1"))
        versions = ("v0", "v1", "v2", "v3")
        texts = house.journal.look(lambda db: [alert_history.rule_text(db, one) for one in versions])
        assert texts == ["", '{"when":"t > 7"}', '{"when":"t > 9"}', ""]
        assert {msgspec.json.encode(one.raised.why["reads"]) for one in house.alerts()} == {b'["t"]'}

    play(tmp_path, body, text="channels: {}")


def test_the_story_goes_with_the_alert(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        for n in range(15):
            await house.raise_(f"d{n}")
            await house.service.comment(n + 1, "ann", "x")
            await house.clear(f"d{n}")
        assert [n for n in range(1, 16) if house.history(n)] == list(range(6, 16))

    play(tmp_path, body, text="channels: {}\nalerts: {keep: 10}")
