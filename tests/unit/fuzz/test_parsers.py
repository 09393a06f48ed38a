"""Whatever comes from outside is taken or refused: nothing raises, hangs, or fills the memory. The table: `parsers`."""

import resource

import pytest
from tests.unit.fuzz.harness import Found, Parser, fuzz, weigh
from tests.unit.fuzz.parsers import PARSERS

QUICK, WEIGHED = 60, 10
LONG = 20_000
IDS = [parser.name for parser in PARSERS]


@pytest.mark.parametrize("parser", PARSERS, ids=IDS)
def test_bent_frames_are_taken_or_refused(parser: Parser) -> None:
    outcome = fuzz(parser, 1, QUICK)
    assert outcome.taken + outcome.refused == QUICK
    weigh(parser, 2, WEIGHED)


@pytest.mark.parametrize("parser", PARSERS, ids=IDS)
def test_a_corpus_is_what_the_parser_takes(parser: Parser) -> None:
    """Bent nonsense would only reach the first check."""
    taken, parse = 0, parser.make()
    for frame in parser.corpus:
        try:
            taken += parse(frame)
        except parser.refusals:
            continue
    assert taken * 2 >= len(parser.corpus)


def test_the_harness_finds_what_it_looks_for() -> None:
    def raising(data: bytes) -> bool:
        return data[0] < 300  # an IndexError where nothing is left

    def slow(data: bytes) -> bool:
        return sum(range(3_000_000)) > len(data)

    def large(data: bytes) -> bool:
        return bool(bytearray(2_000_000 + len(data)))

    with pytest.raises(Found, match="IndexError"):
        fuzz(Parser("raising", lambda: raising, [b"abc"]), 1, 2_000)
    with pytest.raises(Found, match="s for bytes"):
        fuzz(Parser("slow", lambda: slow, [b"abc"], most_s=0.001), 1, 5)
    with pytest.raises(Found, match="bytes for bytes"):
        weigh(Parser("large", lambda: large, [b"abc"], most=1_000_000), 1, 5)
    assert fuzz(Parser("fussy", lambda: raising, [b"abc"], (IndexError,)), 1, 2_000).refused


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("parser", PARSERS, ids=IDS)
def test_many_more_bent_frames_are_taken_or_refused(parser: Parser) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = fuzz(parser, 3, LONG)
    assert outcome.taken
    weigh(parser, 4, 500)
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    )  # KiB: what a parser remembers is bounded
