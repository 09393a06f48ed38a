"""Nodes from before residency: what they send is understood here, and what is sent to them they understand."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from holdfast.ingest.hearing import hear
from holdfast.model.lane import OPEN_LANES
from holdfast.wire.messages import GENESIS, Hello, Mark, RegionHello, RegionWelcome, Start, Welcome

Three = Annotated[tuple[int, ...], Meta(min_length=3, max_length=3)]


class OldStart(Struct, frozen=True):
    """As released before lanes 3 and 4."""

    uuid: str
    heads: Three


class OldHello(Struct, frozen=True):
    """As released before lanes 3 and 4."""

    node: str
    incarnation: str
    heads: Three
    heads_chain: Annotated[tuple[bytes, ...], Meta(min_length=3, max_length=3)]
    series_count: int
    history: tuple[OldStart, ...] = ()
    applied: Three = (0, 0, 0)


class OldWelcome(Struct, frozen=True):
    """As released before lanes 3 and 4."""

    status: str
    marks: Annotated[tuple[Mark, ...], Meta(min_length=3, max_length=3)]
    safe: Three
    forks: Three
    start: Three
    gap_rows: Three


def test_an_older_parent_reads_a_hello_with_a_region_lane() -> None:
    chains = (GENESIS, GENESIS, GENESIS)
    region = RegionHello(7, GENESIS, 3, (0,))
    hello = Hello("gw", "u", (1, 2, 3), chains, 4, history=(Start("u", (0, 0, 0)),), region="eu", region_lane=region)
    old = msgspec.json.decode(msgspec.json.encode(hello), type=OldHello)
    assert (old.heads, old.history[0].heads) == ((1, 2, 3), (0, 0, 0))


def test_an_older_child_reads_a_welcome_with_a_region() -> None:
    welcome = Welcome("welcome", region="eu", region_lane=RegionWelcome(), knows_again=True)
    assert msgspec.json.decode(msgspec.json.encode(welcome), type=OldWelcome).safe == (0, 0, 0)


def test_an_older_parents_welcome_opens_no_region_lane() -> None:
    old = OldWelcome("welcome", (Mark(), Mark(), Mark()), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0))
    welcome = msgspec.json.decode(msgspec.json.encode(old), type=Welcome)
    assert not welcome.takes_region("eu")
    assert not welcome.takes_region("")
    assert not welcome.knows_again


def test_an_older_childs_hello_is_heard_in_the_open_lanes_only() -> None:

    old = OldHello("gw", "u", (1, 2, 3), (GENESIS, GENESIS, GENESIS), 4, (OldStart("u", (0, 0, 1)),))
    heard = hear(msgspec.json.decode(msgspec.json.encode(old), type=Hello), "eu")
    assert (heard.lanes, heard.heads) == (OPEN_LANES, (1, 2, 3, 0, 0, 0))
    assert heard.history[0].heads == (0, 0, 1, 0, 0, 0)
