"""What a child tells its parent of its devices, and of those below it. Append only, like `messages`.

A state, not a log: each row replaces the one before it. Pages are numbered within a life of the child; a parent that
has not the page before asks for everything again, so neither end has to remember what the other one forgot.
"""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.wire.sites import Sites

MOST_ROWS = 500
MOST_GAPS = 5
"""Of each device, the latest."""

Text = Annotated[str, Meta(max_length=512)]
Words = Annotated[tuple[Text, ...], Meta(max_length=100)]
Time = Annotated[int, Meta(gt=-(2**62), lt=2**62)]
Many = Annotated[int, Meta(ge=0, lt=2**62)]
Key = tuple[Annotated[str, Meta(min_length=1, max_length=128)], Annotated[str, Meta(min_length=1, max_length=256)]]
"""Node and name."""


class ToldGap(Struct, frozen=True, array_like=True):
    """A time without its messages; fields as in `journal.devices.GapRow`."""

    from_ns: Time
    to_ns: Time
    missing: Many
    filled: Many = 0
    down_s: Annotated[float, Meta(ge=0)] = 0.0


class Told(Struct, frozen=True, omit_defaults=True):
    """A device as its own node sees it; fields as in `web.device_answers.DeviceRow`. Counts are as of `at_ns`."""

    node: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    at_ns: Time
    status: Text = ""
    state: Text = ""
    labels: Words = ()
    note: Annotated[str, Meta(max_length=2_000)] = ""
    hardware: Text = ""
    former: Words = ()
    replaced: Words = ()
    first_ns: Time = 0
    last_ns: Time = 0
    messages: Many = 0
    refused: Many = 0
    held: Many = 0
    repeats: Many = 0
    bytes: Many = 0
    interval_s: float | None = None
    day_judged: Many = 0
    day_refused: Many = 0
    over_budget: bool = False
    gaps: Annotated[tuple[ToldGap, ...], Meta(max_length=MOST_GAPS)] = ()


class DeviceReport(Struct, frozen=True):
    """A page.

    life:  the child's incarnation; n: the page's number in it, from 1; 0 = a sign of life only
    since: the first page of a report of everything, 0 = this is none; done: its last page, what is older goes
    gone:  devices that are there no more under this name
    sites: how the child itself is, and nodes below it: what changed
    """

    life: Annotated[str, Meta(min_length=1, max_length=128)]
    n: Many = 0
    since: Many = 0
    done: bool = False
    rows: Annotated[tuple[Told, ...], Meta(max_length=MOST_ROWS)] = ()
    gone: Annotated[tuple[Key, ...], Meta(max_length=MOST_ROWS)] = ()
    sites: Sites = ()


class DeviceReceipt(Struct, frozen=True):
    """The parent's answer: it has the pages of this life up to `n`; again: it lacks some, tell everything.

    sites:     it takes `DeviceReport.sites`, and has what the report said
    ask_sites: it lacks some: tell everything of them
    orders:    commands wait for the child: it may ask for them
    """

    n: Many = 0
    again: bool = False
    sites: bool = False
    ask_sites: bool = False
    orders: bool = False
