"""Runs a parser over bent frames: it takes them or refuses them in its own words, within a time and a size."""

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from tests.unit.fuzz.mutating import mutated

MIB = 1 << 20
Parse = Callable[[bytes], bool]
"""Reads one input; was anything of it taken? Raises nothing but the parser's `refusals`."""


class Parser(NamedTuple):
    """A row of the table: what takes bytes from outside.

    make:     a fresh one; what it remembers of inputs before, it remembers
    corpus:   valid inputs
    refusals: how it says no; anything else that it raises is a finding
    most_s:   CPU seconds for one input of at most 64 KiB
    most:     bytes that one input may take for a while; what stays after all inputs, too
    """

    name: str
    make: Callable[[], Parse]
    corpus: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = ()
    most_s: float = 1.0
    most: int = 32 * MIB


@dataclass
class Outcome:
    """What came of it. peak: bytes, of those inputs that were weighed."""

    taken: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    peak: int = 0


class Found(AssertionError):
    """An input that a parser doesn't survive; its bytes are in the text, to be made a case of."""


def fuzz(parser: Parser, seed: int, count: int) -> Outcome:
    """Feed `count` bent frames.

    Raises:
        Found: at the first that isn't taken or refused in time.
    """
    rng, outcome, parse = Random(f"{parser.name}:{seed}"), Outcome(), parser.make()
    for _ in range(count):
        data = mutated(rng.choice(parser.corpus), parser.corpus, rng)
        began = time.thread_time()
        _feed(parser, parse, data, outcome)
        took = time.thread_time() - began
        if took > parser.most_s:  # a collection of garbage, or the input's own cost? Again, alone
            took = min(took, *(_timed(parser, data) for _ in range(3)))
        outcome.slowest_s = max(outcome.slowest_s, took)
        if took > parser.most_s:
            raise Found(f"{parser.name}: {took:.2f} s for {_shown(data)}")
    return outcome


def weigh(parser: Parser, seed: int, count: int) -> Outcome:
    """As `fuzz`, and look at the memory that each input takes.

    Raises:
        Found: at the first that takes too much, or when too much stays.
    """
    rng, outcome, parse = Random(f"{parser.name}:{seed}"), Outcome(), parser.make()
    tracemalloc.start()
    try:
        for _ in range(count):
            data = mutated(rng.choice(parser.corpus), parser.corpus, rng)
            tracemalloc.reset_peak()
            _feed(parser, parse, data, outcome)
            outcome.peak = max(outcome.peak, tracemalloc.get_traced_memory()[1])
            if outcome.peak > parser.most:
                raise Found(f"{parser.name}: {outcome.peak} bytes for {_shown(data)}")
    finally:
        tracemalloc.stop()
    return outcome


def _feed(parser: Parser, parse: Parse, data: bytes, outcome: Outcome) -> None:
    try:
        is_taken = parse(data)
    except parser.refusals:
        outcome.refused += 1
    except Exception as error:
        raise Found(f"{parser.name}: {error!r} of {_shown(data)}") from error
    else:
        outcome.taken += is_taken
        outcome.refused += not is_taken


def _timed(parser: Parser, data: bytes) -> float:
    parse, began = parser.make(), time.thread_time()
    _feed(parser, parse, data, Outcome())
    return time.thread_time() - began


def _shown(data: bytes) -> str:
    return f"bytes.fromhex('{data[:2_000].hex()}'){'…' if len(data) > 2_000 else ''} ({len(data)} bytes)"
