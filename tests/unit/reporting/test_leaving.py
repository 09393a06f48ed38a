"""What of a line leaves: no secret, nothing about what stays, nothing without an end."""

from typing import ClassVar, Literal

from holdfast.reporting.leaving import LONGEST_FACT, MOST_FACTS, closed, leaving_line, leaving_step
from holdfast.reporting.redacting import GONE, Redactor
from holdfast.telemetry.happenings import Happening, Level
from holdfast.telemetry.lines import Fact, LogLine
from holdfast.telemetry.spans import Span
from holdfast.wire.reports import decode_line, decode_step, encode_report


class LeavingDoorOpened(Happening, frozen=True):
    """A kind of line as the rooms have them."""

    level: ClassVar[Level] = Level.WARNING
    door: str
    side: Literal["front", "back"]
    times: int
    is_locked: bool


def line(**fields: Fact) -> LogLine:
    return LogLine(7, 1_000, "WARNING", "LeavingDoorOpened", fields)


def test_where_something_stays_only_truths_and_words_of_closed_sets_leave() -> None:
    said = line(door="press-07", side="front", times=3, is_locked=True)
    assert closed(said) == {"side": "front", "is_locked": True}
    sent = leaving_line(said, Redactor(), keeps=True)
    assert (sent.level, sent.name, sent.n, sent.fields) == (
        "WARNING", "LeavingDoorOpened", 7, {"side": "front", "is_locked": True},
    )  # fmt: skip
    assert leaving_line(said, Redactor(), keeps=False).fields == said.fields


def test_a_word_that_is_in_no_closed_set_doesnt_leave_under_the_name_of_one() -> None:
    assert closed(line(side="press-07")) == {}
    assert closed(LogLine(1, 1, "INFO", "OfAnotherVersion", {"side": "front"})) == {}


def test_a_step_doesnt_name_alerts_of_its_micro_batch_where_some_may_be_of_what_stays() -> None:
    step = Span("ab" * 16, "cd" * 8, "gw", "decide", 10, 30, facts={"rules": "overheat", "alerts": "ef" * 16})
    assert leaving_step(step, Redactor(), keeps=True).facts == {"rules": "overheat"}
    assert leaving_step(step, Redactor(), keeps=False).facts == step.facts


def test_secrets_are_taken_out_wherever_they_stand() -> None:
    redactor = Redactor(["correct horse battery"])
    said = leaving_line(line(door="said: correct horse battery", side="x password=hunter22"), redactor, keeps=False)
    assert GONE in str(said.fields["door"])
    assert "hunter22" not in str(said.fields)
    step = Span("ab" * 16, "cd" * 8, "gw", "receive", 10, 30, facts={"topic": "a/correct horse battery"})
    assert "horse" not in str(leaving_step(step, redactor, keeps=False).facts)


def test_facts_have_a_bound_in_number_and_length() -> None:
    said = leaving_line(line(**{f"f{n}": "x" * 4_000 for n in range(40)}), Redactor(), keeps=False)
    assert len(said.fields) == MOST_FACTS
    assert {len(str(value)) for value in said.fields.values()} == {LONGEST_FACT}


def test_what_travels_is_read_as_it_was_written_and_anything_else_is_nothing() -> None:
    sent = leaving_line(line(door="Tür \U0001f6aa", times=3), Redactor(), keeps=False)
    assert decode_line(encode_report(sent)) == sent
    step = leaving_step(
        Span("ab" * 16, "cd" * 8, "gw", "ack", 10, 30, "ef" * 8, {"lane": 2}, ("00" * 16,)), Redactor(), keeps=False
    )
    assert (decode_step(encode_report(step)), step.took_ns) == (step, 20)
    for text in ("", "21.5", "[1]", "{}", '["INFO"]', "[" * 5_000, '["INFO","x",1,{}]' + " " * 20_000, "\ud800"):
        assert decode_line(text) is None
        assert decode_step(text) is None


def test_a_newer_nodes_line_is_read_for_what_is_known_of_it() -> None:
    newer = decode_line('["INFO","NodeStarted",1,{"node":"gw"},"more",[5]]')
    assert newer is not None
    assert newer.fields == {"node": "gw"}
