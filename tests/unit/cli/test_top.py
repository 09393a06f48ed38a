"""The pure parts of `holdfast top`: keys, what they do, rates, and lines that fit whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from holdfast.cli.top.frame import frame
from holdfast.cli.top.keys import decode
from holdfast.cli.top.look import Look
from holdfast.cli.top.paint import Column, bar, grid, window, word
from holdfast.cli.top.picking import alerts_shown, devices_shown
from holdfast.cli.top.state import State, View, press
from holdfast.cli.top.trends import Trends, latest, sparkline
from holdfast.web.alerts import AlertRow
from holdfast.web.answers import JournalStatus, LinkStatus, Status
from holdfast.web.device_answers import DeviceList, DeviceRow

HOSTILE = "press\x1b]0;owned\x07\x1b[2J<b>\u202e漢字"


def status(at_s: float, received: int, incarnation: str = "a", sent: int = 0) -> Status:
    link = LinkStatus("up", "https://hub", sent_bytes=sent)
    journal = JournalStatus("ok", 1000, 10_000, [0] * 6, "green", 500)
    counters = {"messages_received": received, "readings_accepted": 2 * received, "messages_rejected.malformed": 1}
    return Status("gw", "0.1.0", incarnation, 0, round(at_s * 1e9), at_s, link, [0, 0, 7], journal, 1, [], counters)


def alert(number: int, severity: str = "critical", raised: int = 0, by: str = "") -> AlertRow:
    return AlertRow(
        number, "gw", HOSTILE, "hot", severity, "open", "it's hot", "e", raised, 0, 0, 5 if by else 0, by, "", {}
    )


def device(name: str, rate: float = 0.0, state: str = "online") -> DeviceRow:
    return DeviceRow(name, "gw", state, "new", rate=rate)


def test_keys_are_told_apart_also_when_a_sequence_comes_in_pieces() -> None:
    assert decode("jk\x1b[A\t\x7fé") == (["j", "k", "up", "tab", "backspace", "é"], "")
    assert decode("\x1b[") == ([], "\x1b[")
    assert decode("\x1b[" + "6~") == (["page-down"], "")
    assert decode("\x1b") == ([], "\x1b")  # perhaps the key, perhaps a beginning: time tells
    assert decode("\x1bx") == (["escape", "x"], "")
    assert decode("\x1b[<0;10;10Mq") == (["q"], "")  # a mouse's report has no name here
    assert decode("\x01\x02") == ([], "")


@given(st.text(max_size=40))
def test_whatever_is_typed_gives_keys_that_are_printable_or_named(text: str) -> None:
    keys, rest = decode(text)
    assert all(len(key) > 1 or key.isprintable() for key in keys)
    assert len(rest) <= 7


def test_a_confirmation_wants_the_alert_only_after_a_yes() -> None:
    state = press(State(View.ALERTS), "a", [7, 8], 2)
    assert (state.mode, state.alert, state.wants) == ("confirming", 7, 0)
    assert press(state, "n", [7, 8], 2).wants == 0
    assert press(state, "enter", [7, 8], 2).wants == 0
    assert press(state, "y", [8], 1).wants == 7  # what was asked about, whatever the list does meanwhile
    assert press(State(View.ALERTS), "a", [], 0).mode == "looking"
    assert press(State(View.RULES), "a", [7], 1).mode == "looking"


def test_typing_a_filter_takes_letters_that_are_keys_elsewhere() -> None:
    state = State(View.DEVICES)
    for key in ("/", "q", "j", "2", "x", "backspace", "enter"):
        state = press(state, key, [], 5)
    assert (state.mode, state.filter, state.quits, state.view) == ("looking", "qj2", False, View.DEVICES)
    assert press(state, "escape", [], 5).filter == ""


def test_the_chosen_line_stays_within_the_list() -> None:
    state = State(View.DEVICES)
    for _ in range(9):
        state = press(state, "j", [], 4)
    assert state.chosen(4) == 3
    assert press(state, "k", [], 4).chosen(4) == 2
    assert state.chosen(2) == 1
    assert state.chosen(0) == 0
    assert press(state, "g", [], 4).chosen(4) == 0


def test_rates_come_of_two_looks_and_a_restart_gives_none() -> None:
    trends = Trends()
    trends.feed(status(10, 100))
    assert latest(trends.messages) is None
    trends.feed(status(12, 300, sent=1000))
    trends.feed(status(12, 300, sent=1000))  # the same answer seen again
    assert list(trends.messages) == [100.0]
    assert list(trends.readings) == [200.0]
    assert list(trends.sent_bps) == [4000.0]
    trends.feed(status(1, 5, incarnation="b"))
    assert len(trends.messages) == 1
    trends.feed(status(2, 10, incarnation="b"))
    assert list(trends.messages) == [100.0, 5.0]
    assert list(trends.backlog) == [7.0] * 4


def test_a_sparkline_goes_from_nought_to_its_highest() -> None:
    assert sparkline([0, 1, 2, 4], 10) == "▁▃▅█"
    assert sparkline([0, 0], 10) == "▁▁"
    assert sparkline([1, 2, 3], 2) == "▆█"
    assert sparkline([1], 0) == ""


def test_alerts_that_nobody_deals_with_come_first_then_the_severest_then_the_newest() -> None:
    rows = (alert(1, raised=1), alert(2, "warning", 9), alert(3, raised=5), alert(4, raised=8, by="ann"))
    shown = alerts_shown(Look(alerts=rows), State(View.ALERTS))
    assert [one.id for one in shown] == [3, 1, 2, 4]
    assert not alerts_shown(Look(alerts=rows), State(View.ALERTS, filters={View.ALERTS: "cold"}))


def test_devices_in_trouble_come_first_when_they_are_sorted_so() -> None:
    look = Look(devices=DeviceList(3, [device("a", 1.0), device("b", 9.0, "silent"), device("c", 5.0)]))
    assert [one.name for one in devices_shown(look, State(View.DEVICES))] == ["b", "c", "a"]
    assert [one.name for one in devices_shown(look, State(View.DEVICES, sort="trouble"))] == ["b", "a", "c"]
    assert [one.name for one in devices_shown(look, State(View.DEVICES, sort="name"))] == ["a", "b", "c"]


def test_a_narrow_table_leaves_out_what_is_needed_least() -> None:
    columns = (Column("name", 0, 10), Column("often", 1, 10), Column("seldom", 9, 10))
    rows = [[Text("abcdefghij"), Text("0123456789"), Text("zzzzzzzzzz")]]
    assert "zzzz" in grid(columns, rows, 40)[1].plain
    narrow = grid(columns, rows, 25)[1].plain
    assert "zzzz" not in narrow
    assert "0123456789" in narrow


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 60))
def test_the_chosen_line_is_always_in_the_window(count: int, chosen: int, height: int) -> None:
    seen = window(count, min(chosen, max(count - 1, 0)), height)
    assert len(seen) == min(count, height)
    assert not count or min(chosen, count - 1) in seen


@given(st.floats(-1, 2), st.integers(1, 80))
def test_a_bar_is_as_wide_as_asked(share: float, width: int) -> None:
    assert cell_len(bar(share, width, "green").plain) == width


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("mode", ["looking", "typing", "confirming", "helping"])
def test_every_frame_fits_its_screen_and_holds_nothing_that_a_terminal_acts_on(view: View, mode: str) -> None:
    devices = DeviceList(9000, [device(HOSTILE + str(i), i, "silent" if i % 3 else "online") for i in range(40)])
    alerts = tuple(alert(i, by=HOSTILE if i % 2 else "") for i in range(1, 30))
    trends = Trends()
    for second in range(400):
        trends.feed(status(second + 1, second * 7, sent=second * 900))
    look = Look(status(500, 99), alerts, devices, lost_ns=10**18, trouble=HOSTILE, said=HOSTILE)
    for width, height in ((80, 24), (40, 10), (39, 9), (61, 17), (132, 43), (250, 70), (1, 1)):
        lines = frame(look, trends, State(view, mode=mode, alert=3), HOSTILE, (width, height))  # type: ignore[arg-type]
        assert len(lines) == height
        for one in lines:
            assert cell_len(one.plain) <= width
            assert all(c.isprintable() for c in one.plain), one.plain


def test_foreign_text_is_shown_as_text() -> None:
    assert "\x1b" not in word(HOSTILE).plain
    assert "<b>" in word(HOSTILE).plain
