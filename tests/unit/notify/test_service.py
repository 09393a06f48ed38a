"""The book of alerts and its channels, on a real journal with time that the test moves."""

from pathlib import Path

import pytest
from tests.unit.notify.house import OPS, House, Notice, Paper, play

from holdfast.journal.blobs import decode_events
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.event import FIRST_KINDS
from holdfast.model.lane import Lane
from holdfast.notify.errors import (
    AlertOver,
    AlertUnknown,
    ChannelUnknown,
    RequestInvalid,
    SilenceUnknown,
    TellingFailed,
    TellingRefused,
)
from holdfast.notify.filters import Filter
from holdfast.notify.routing import KINDS
from holdfast.stream.language.templates import parse_message

LADDER = """
channels:
  ops: {slack: {url: 'https://chat'}}
  night: {slack: {url: 'https://chat'}}
  phone: {slack: {url: 'https://chat'}}
escalations: {hard: [{channel: ops}, {after: 10m, channel: night}, {after: 30m, channel: phone}]}
"""
HARD = {"hot": [Notice(escalation="hard")]}


def test_a_raise_and_its_end_are_told_once_each(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        await house.clear("d1")
        await house.tell()
        assert house.lines() == [["d1 raised"], ["d1 cleared"]]
        assert house.alerts() == []
        (one,) = house.alerts(state="closed")
        assert (one.device, one.raised.why["values"]) == ("d1", {"t": 7.25})
        assert "inputs" not in one.raised.why

    play(tmp_path, body)


def test_an_event_read_twice_is_taken_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        event = house.event("d1")
        await house.put(event)
        await house.put(event)  # as a child's second branch may bring it
        await house.clear("d1")
        await house.put(event)
        await house.tell()
        assert house.lines() == [["d1 raised and cleared"]]
        assert house.alerts() == []

    play(tmp_path, body)


def test_an_open_alert_that_is_raised_again_is_renewed_and_told_no_second_time(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        await house.raise_("d1", message="by another version of the rule")
        await house.tell()
        assert house.lines() == [["d1 raised"]]
        assert [one.raised.message for one in house.alerts()] == ["by another version of the rule"]

    play(tmp_path, body)


def test_a_new_book_shows_what_is_open_and_tells_nobody_of_it(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        old = [house.event("d1"), house.event("d2"), house.event("d1", "alert.cleared")]
        await house.journal.submit(lambda tx: tx.set_meta("alerts", "begun"))
        await house.journal.submit(lambda tx: tx.append_events(Lane.CRITICAL, old))
        await house.journal.submit(lambda tx: tx.db.execute("DELETE FROM meta WHERE key = 'alerts'"))
        await house.service.start()
        await house.service.once()
        await house.tell()
        assert [one.device for one in house.alerts()] == ["d2"]
        assert house.lines() == []
        await house.raise_("d3")
        await house.tell()
        assert house.lines() == [["d3 raised"]]

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("takes", "told"),
    [
        ("{}", "abcd"),
        ("{severity: [critical]}", "acd"),
        ("{rules: ['cold-*']}", "bd"),
        ("{nodes: [site-*]}", "c"),
        ("{devices: ['[b]', d]}", "d"),
        ("{severity: [critical], rules: ['*t']}", "ac"),
    ],
)
def test_a_channel_takes_what_fits_everything_that_it_names(tmp_path: Path, takes: str, told: str) -> None:
    async def body(house: House) -> None:
        await house.raise_("a")
        await house.raise_("b", severity="warning", rule="cold-room")
        await house.raise_("c", node="site-7")
        await house.raise_("d", rule="cold-door")
        await house.tell()
        assert sorted(item.alert.device for m in house.ways["ops"].messages for item in m.items) == list(told)

    play(tmp_path, body, text=f"channels: {{ops: {{slack: {{url: 'https://chat'}}, takes: {takes}}}}}")


def test_a_rule_sends_its_own_words_where_it_says_and_only_what_it_says(tmp_path: Path) -> None:
    words = parse_message("{device}: {t:.1f}", None, [])
    rules = {"hot": [Notice("ops", message=words), Notice("night", kinds=KINDS["raised"]), Notice("gone")]}

    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        await house.clear("d1")
        await house.tell()
        assert [message.text for message in house.ways["ops"].messages] == ["d1: 7.2", "cleared: d1: 7.2"]
        assert house.lines("night") == [["d1 raised"]]
        assert house.lines("phone") == []

    play(tmp_path, body, text=LADDER, rules=rules)


def test_a_rule_here_says_nothing_about_what_another_node_decided(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", why={"decided_on": "child"})
        await house.tell()
        assert house.lines() == []
        assert [one.device for one in house.alerts()] == ["d1"]

    play(tmp_path, body, text=LADDER, rules={"hot": [Notice("ops")]})


def test_a_channel_for_ends_only_is_told_of_no_beginning(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        await house.clear("d1")
        await house.tell()
        assert house.lines() == [["d1 cleared"]]

    play(tmp_path, body, text=OPS % ", on: cleared")


def test_rule_and_channel_together_tell_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        assert house.lines() == [["d1 raised"]]

    play(tmp_path, body, rules={"hot": [Notice("ops")]})


# Groups


def test_what_comes_within_the_wait_goes_into_one_message_the_most_severe_first(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", severity="warning", rule="a")
        await house.pass_(9)
        await house.raise_("d2", rule="b")
        await house.tell()
        assert house.lines() == []
        await house.pass_(1)
        assert house.lines() == [["d2 raised", "d1 raised"]]
        (message,) = house.ways["ops"].messages
        assert message.title == "[critical] 2 alerts: 2 raised"
        assert message.text.splitlines()[1] == "raised: warning a at gw/d1: d1 is hot"

    play(tmp_path, body, text=OPS % ", group: {by: [], wait: 10s}")


def test_a_full_group_does_not_wait_and_the_rest_goes_in_the_next(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_(*(f"d{n}" for n in range(5)))
        await house.tell()
        assert [len(message.items) for message in house.ways["ops"].messages] == [2, 2]
        await house.pass_(10)
        assert [len(message.items) for message in house.ways["ops"].messages] == [2, 2, 1]

    play(tmp_path, body, text=OPS % ", group: {wait: 10s, most: 2}")


def test_alerts_of_different_rules_go_apart_unless_they_may_go_together(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.put(house.event("d1", rule="a"), house.event("d2", rule="b"), house.event("d3", rule="a"))
        await house.tell()
        assert house.lines() == [["d1 raised", "d3 raised"], ["d2 raised"]]

    play(tmp_path, body)


def test_beyond_the_rate_messages_wait_and_go_together(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        for n in range(5):
            await house.raise_(f"d{n}")
            if n < 2:
                await house.tell()
        assert await house.service.channels["ops"].once() > 0
        assert house.lines() == [["d0 raised"], ["d1 raised"]]
        await house.pass_(60)
        assert house.lines()[2:] == [["d2 raised", "d3 raised", "d4 raised"]]

    play(tmp_path, body, text=OPS % ", rate: {messages: 2, per: 1m}")


# What is over before it could be told


def test_an_alert_that_is_over_before_it_could_be_told_is_told_as_one_message(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].error = TellingFailed("away")
        await house.raise_("d1")
        await house.service.channels["ops"].once()
        await house.clear("d1")
        await house.raise_("d1")
        house.ways["ops"].error = None
        await house.pass_(100)
        assert house.lines() == [["d1 raised", "d1 raised and cleared"]]
        assert house.ways["ops"].messages[0].items[1].text.startswith("d1 is hot (over since 20")

    play(tmp_path, body)


def test_or_not_at_all(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.clear("d1")
        await house.tell()
        assert house.lines() == []
        assert house.journal.counters()["channel_settled.ops"] == 1

    play(tmp_path, body, text=OPS % ", over: drop")


def test_what_is_cleared_while_its_message_is_on_its_way_is_told_after_it(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        house.ways["ops"].meanwhile = lambda: house.clear("d1")
        await house.tell()
        assert house.lines() == [["d1 raised"], ["d1 cleared"]]

    play(tmp_path, body)


def test_and_as_one_message_when_that_failed(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        house.ways["ops"].meanwhile = lambda: house.clear("d1")
        house.ways["ops"].error = TellingFailed("away")
        await house.service.channels["ops"].once()
        house.ways["ops"].error = None
        await house.pass_(100)
        assert house.lines() == [["d1 raised and cleared"]]

    play(tmp_path, body)


# Failures


def test_a_failed_message_goes_again_and_the_channel_says_so_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].error = TellingFailed("nobody there", "is it on?", pause_s=40.0)
        await house.raise_("d1")
        await house.tell()
        assert 30 <= await house.service.channels["ops"].once() <= 40
        await house.pass_(41)
        status = house.service.channels["ops"].status()
        assert (status.state, status.detail, status.backlog.waiting) == ("down", "nobody there", 1)
        assert sum("ChannelLost" in line for line in house.log) == 1
        house.ways["ops"].error = None
        await house.pass_(41)
        assert house.lines() == [["d1 raised"]]
        assert house.service.channels["ops"].status().state == "up"
        assert sum("ChannelBack" in line for line in house.log) == 1

    play(tmp_path, body)


def test_after_retry_for_a_message_is_given_up_and_counted(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].error = TellingFailed("nobody there")
        await house.raise_("d1")
        await house.tell()
        await house.pass_(3_601)
        assert house.waiting() == 0
        assert house.journal.counters()["channel_given_up.ops"] == 1
        assert any("ChannelGaveUp" in line for line in house.log)

    play(tmp_path, body, text=OPS % ", retry_for: 1h")


def test_after_a_long_time_off_a_message_is_tried_once_more_before_it_is_given_up(tmp_path: Path) -> None:
    clock = ManualClock()

    async def first(house: House) -> None:
        await house.raise_("d1")

    async def second(house: House) -> None:
        clock.advance(86_400 * 3)
        await house.tell()
        assert house.lines() == [["d1 raised"]]

    play(tmp_path, first, clock=clock)
    play(tmp_path, second, clock=clock)


def test_of_what_is_refused_each_alert_is_tried_alone_and_then_now_and_again(tmp_path: Path) -> None:
    class Picky(Paper):
        async def tell(self, message: object) -> str:
            told = await super().tell(message)  # type: ignore[arg-type]  # the port's own type
            if any(item.alert.device == "bad" for item in self.messages[-1].items):
                self.messages.pop()
                raise TellingRefused("too odd")
            return told

    async def body(house: House) -> None:
        house.service.channels["ops"].way = Picky()
        picky = house.service.channels["ops"].way
        await house.raise_("d1", "bad", "d2")
        await house.tell()
        assert isinstance(picky, Picky)
        assert picky.lines == [["d1 raised"], ["d2 raised"]]
        assert house.waiting() == 1
        await house.raise_("d3")
        await house.tell()
        assert picky.lines[2:] == [["d3 raised"]]
        await house.pass_(301)
        assert sum("ChannelRefusal" in line for line in house.log) == 3

    play(tmp_path, body)


def test_a_mistake_in_a_way_ends_no_node(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].error = ZeroDivisionError("oh")
        await house.raise_("d1")
        await house.tell()
        assert "this node made a mistake" in house.service.channels["ops"].status().detail
        assert house.waiting() == 1

    play(tmp_path, body)


def test_what_waits_is_bounded_and_the_oldest_goes_counted(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_(*(f"d{n}" for n in range(15)))
        await house.tell()
        assert [len(message.items) for message in house.ways["ops"].messages] == [10]
        assert house.journal.counters()["channel_dropped.ops"] == 5

    play(tmp_path, body, text=OPS % ", limit: 10")


def test_behind_a_long_backlog_the_most_severe_still_goes_first(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].error = TellingFailed("away")
        for part in range(6):
            await house.raise_(*(f"d{part}-{n}" for n in range(100)), severity="info")
        await house.tell()
        await house.raise_("press", rule="guard")
        house.ways["ops"].error = None
        await house.pass_(100)
        assert house.lines()[0] == ["press raised"]

    play(tmp_path, body, text=OPS % ", group: {by: [rule], wait: 0s, most: 500}")


# Reminders, acknowledgements


def test_an_open_alert_is_reminded_of_until_somebody_deals_with_it(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        await house.pass_(3_599)
        assert len(house.lines()) == 1
        await house.pass_(1)
        await house.pass_(3_600)
        assert house.lines()[1:] == [["d1 still open"], ["d1 still open"]]
        keys = [message.id for message in house.ways["ops"].messages]
        assert len(set(keys)) == 3
        await house.service.acknowledge(house.alerts()[0].id, "ann", "")
        await house.pass_(7_200)
        assert len(house.lines()) == 3
        await house.clear("d1")
        await house.tell()
        assert house.lines()[3:] == [["d1 cleared"]]

    play(tmp_path, body, text=OPS % ", repeat: 1h")


def test_an_acknowledgement_is_an_event_once_and_who_was_first_stays(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        (alert,) = house.alerts()
        first = await house.service.acknowledge(alert.id, "ann", "on my way")
        second = await house.service.acknowledge(alert.id, "bob", "me, too")
        assert (first.acked_by, second.acked_by, second.comment) == ("ann", "ann", "on my way")
        assert house.acknowledged == [("gw", "d1", "hot")]
        events = [e for group in house.journal.read(Lane.CRITICAL, 0, 99) for e in decode_events(group.blob)]
        assert [event.kind for event in events] == ["alert.raised", "alert.acknowledged"]
        assert events[1].why == {"event": alert.event, "by": "ann", "comment": "on my way", "said_by": "gw"}
        assert house.journal.counters()["events_accepted"] == 1
        await house.service.once()  # its own event tells it nothing new
        assert house.journal.counters()["alerts_acknowledged"] == 1
        with pytest.raises(AlertUnknown):
            await house.service.acknowledge(99, "ann", "")
        with pytest.raises(RequestInvalid, match="`by` is empty"):
            await house.service.acknowledge(alert.id, " ", "")
        await house.clear("d1")
        with pytest.raises(AlertOver):
            await house.service.acknowledge(alert.id, "ann", "")

    play(tmp_path, body)


def test_an_acknowledgement_that_must_not_leave_lies_where_it_stays(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.lane_of = lambda _: Lane.SITE
        await house.raise_("d1")
        await house.service.acknowledge(house.alerts()[0].id, "ann", "")
        (group,) = house.journal.read(Lane.SITE, 0, 9)
        assert [event.kind for event in decode_events(group.blob)] == ["alert.acknowledged"]

    play(tmp_path, body)


def test_an_older_parent_is_not_expected_to_know_the_kind() -> None:
    assert "alert.acknowledged" not in FIRST_KINDS


def test_what_a_child_says_is_acknowledged_is_so_here(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", node="child", why={"decided_on": "child"})
        why = {"by": "ann", "comment": "here"}
        await house.put(house.event("d1", "alert.acknowledged", node="child", why=why))
        assert [(one.acked_by, one.comment) for one in house.alerts()] == [("ann", "here")]
        assert house.acknowledged == []

    play(tmp_path, body)


# Escalations


def test_an_escalation_takes_its_steps_until_the_alert_is_over(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)
        assert (house.lines("ops"), house.lines("night")) == ([["d1 raised"]], [])
        await house.pass_(599)
        assert house.lines("night") == []
        await house.pass_(1)
        assert house.lines("night") == [["d1 raised"]]
        await house.clear("d1")
        await house.pass_(1_800)
        assert house.lines("ops") == house.lines("night") == [["d1 raised"], ["d1 cleared"]]
        assert house.lines("phone") == []

    play(tmp_path, body, text=LADDER, rules=HARD)


def test_an_acknowledgement_ends_an_escalation(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(600)
        await house.service.acknowledge(house.alerts()[0].id, "ann", "")
        await house.pass_(3_600)
        assert house.lines("phone") == []

    play(tmp_path, body, text=LADDER, rules=HARD)


def test_an_escalation_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    clock = ManualClock()

    async def first(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(600)

    async def second(house: House) -> None:
        await house.pass_(1_199)
        assert house.lines("phone") == []
        await house.pass_(1)
        assert house.lines("phone") == [["d1 raised"]]
        assert house.lines("night") == []

    play(tmp_path, first, text=LADDER, rules=HARD, clock=clock)
    play(tmp_path, second, text=LADDER, rules=HARD, clock=clock)


def test_an_escalation_may_take_alerts_by_itself_and_tells_no_channel_twice_at_once(tmp_path: Path) -> None:
    text = OPS % "" + "escalations: {all: {steps: [{channel: ops}, {after: 1m, channel: ops}], takes: {}}}"

    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)
        assert house.lines() == [["d1 raised"]]
        await house.pass_(60)
        assert house.lines() == [["d1 raised"], ["d1 raised"]]

    play(tmp_path, body, text=text)


@pytest.mark.parametrize("by_s", [-86_400, 86_400 * 365])
def test_a_clock_that_is_set_makes_no_step_early_or_late(tmp_path: Path, by_s: int) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)
        house.clock.set_wall(house.clock.wall_ns() + by_s * NS_PER_S)
        await house.pass_(599)
        assert house.lines("night") == []
        await house.pass_(1)
        assert house.lines("night") == [["d1 raised"]]

    play(tmp_path, body, text=LADDER, rules=HARD)


def test_a_clock_that_was_wrong_before_a_restart_delays_nothing_beyond_its_wait(tmp_path: Path) -> None:
    later = ManualClock(wall_ns=1_900_000_000 * NS_PER_S)

    async def first(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)

    async def second(house: House) -> None:
        await house.pass_(600)
        assert house.lines("night") == [["d1 raised"]]

    play(tmp_path, first, text=LADDER, rules=HARD, clock=later)
    play(tmp_path, second, text=LADDER, rules=HARD, clock=ManualClock())


# Silences


def test_what_is_silenced_is_told_when_the_silence_ends_if_it_still_lasts(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        until_ns = house.clock.wall_ns() + 3_600 * NS_PER_S
        made = await house.service.silence(Filter(devices=("d*",)), until_ns, "ann", "works on the roof")
        assert made.id == 1
        await house.raise_("d1", "d2", "other")
        await house.tell()
        assert house.lines() == [["other raised"]]
        status = house.service.channels["ops"].status().backlog
        assert (status.waiting, status.held, status.oldest_ns) == (2, 2, 0)
        await house.clear("d1")
        await house.pass_(3_599)
        assert len(house.lines()) == 1
        await house.pass_(1)
        assert house.lines()[1:] == [["d2 raised"]]

    play(tmp_path, body)


def test_a_silence_taken_back_lets_go_what_it_held_also_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()

    async def first(house: House) -> None:
        await house.service.silence(Filter(), house.clock.wall_ns() + 86_400 * 3 * NS_PER_S, "ann", "holidays")
        await house.raise_("d1")
        await house.tell()

    async def second(house: House) -> None:
        await house.raise_("d2", rule="hot")
        await house.pass_(86_400 * 2)  # longer than `retry_for`: a silence is no failure
        assert house.lines() == []
        await house.service.unsilence(1)
        await house.tell()
        assert house.lines() == [["d1 raised", "d2 raised"]]
        with pytest.raises(SilenceUnknown):
            await house.service.unsilence(1)

    play(tmp_path, first, clock=clock)
    play(tmp_path, second, clock=clock)


def test_a_silence_needs_an_end_a_name_and_a_reason(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        now_ns = house.clock.wall_ns()
        for until_ns, by, why in ((now_ns, "ann", "x"), (now_ns + 1, "", "x"), (now_ns + 1, "ann", "")):
            with pytest.raises(RequestInvalid):
                await house.service.silence(Filter(), until_ns, by, why)

    play(tmp_path, body)


# Channels that come and go, tests of them


def test_what_waits_for_a_channel_that_is_gone_goes_counted(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        await house.raise_("d1")

    async def second(house: House) -> None:
        assert house.journal.counters()["channel_given_up.ops"] == 1
        assert [one.device for one in house.alerts()] == ["d1"]

    play(tmp_path, first)
    play(tmp_path, second, text="channels: {}")


def test_a_test_message_goes_at_once_and_says_that_it_is_one(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        house.ways["ops"].odd = "not for nobody@example.com"
        assert await house.service.test("ops") == "not for nobody@example.com"
        assert "no alert, nothing to do" in house.ways["ops"].messages[0].text
        with pytest.raises(ChannelUnknown):
            await house.service.test("oops")

    play(tmp_path, body)


def test_alerts_that_are_over_are_forgotten_beyond_the_bound(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("first")
        for n in range(30):
            await house.raise_(f"d{n}")
            await house.clear(f"d{n}")
        assert len(house.alerts(state="closed")) == 10
        assert [one.device for one in house.alerts()] == ["first"]

    play(tmp_path, body, text="{channels: {}, alerts: {keep: 10}}")


def test_the_gauges_tell_what_is_open_and_what_waits(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", "d2")
        await house.service.acknowledge(house.alerts()[0].id, "ann", "")
        house.clock.advance(5)
        value = house.telemetry.slow.get_sample_value
        by_severity = [
            sum(value(f"holdfast_{name}", {"severity": each}) or 0 for each in ("info", "warning", "critical"))
            for name in ("alerts_open", "alerts_unacknowledged")
        ]
        of_ops = [value(f"holdfast_channel_{name}", {"channel": "ops"}) for name in ("waiting", "oldest_seconds")]
        assert by_severity + of_ops == [2, 1, 2, 5]

    play(tmp_path, body)
