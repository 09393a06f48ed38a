"""What a child tells its parent of itself, and of the nodes below it. Append only, like `messages`.

It rides on `wire.devices.DeviceReport`, which goes out every 15 s anyway. A row tells only what has changed: `about`
until the parent has it once in a life of the child, `health` when it's another one.
"""

from typing import Annotated

from msgspec import Meta, Struct

MOST_SITES = 200
"""Rows of one report."""
MOST_TROUBLE = 4
Text = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Many = Annotated[int, Meta(ge=0, lt=2**62)]


class SiteAbout(Struct, frozen=True, omit_defaults=True):
    """What a node is, as in its `site:`, and what it runs.

    started_ns: of its process, ns UTC
    can:        what may be asked of it beyond what every version takes, as `wire.acts.ABLE`
    """

    name: Text = ""
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    zone: Annotated[str, Meta(max_length=64)] = ""
    note: Text = ""
    version: Annotated[str, Meta(max_length=64)] = ""
    started_ns: Many = 0
    can: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=16)] = ()


class SiteHealth(Struct, frozen=True, array_like=True):
    """How a node is. What residency keeps at the site is in none of it.

    rows, seconds: of the open lanes, what waits for the parent: rows, and the age of the oldest
    pace:      of the link: `wide`, `narrow`, `trickle`; empty = there is no parent, or nothing is known yet
    kbps:      measured goodput, kbit/s; 0 = unknown
    clock:     `trusted`, `free-running`, `unset`
    level:     of the journal: `green` to `red`; condition: `ok`, `full`, `poisoned`
    disk:      used share of the journal's quota, in percent
    rate:      rows of readings a second
    trouble:   in words, worst first
    """

    rows: Annotated[tuple[Many, ...], Meta(max_length=8)] = ()
    seconds: Annotated[tuple[Many, ...], Meta(max_length=8)] = ()
    pace: Annotated[str, Meta(max_length=32)] = ""
    kbps: Many = 0
    clock: Annotated[str, Meta(max_length=32)] = ""
    level: Annotated[str, Meta(max_length=32)] = ""
    condition: Annotated[str, Meta(max_length=32)] = ""
    disk: Many = 0
    rate: Annotated[float, Meta(ge=0)] = 0.0
    trouble: Annotated[tuple[Text, ...], Meta(max_length=MOST_TROUBLE)] = ()


class SiteTold(Struct, frozen=True, omit_defaults=True):
    """One node. heard_ns: when the node that tells heard of it, ns UTC; 0 = it speaks for itself, now.

    via:   the nodes between the one that tells and this one, from the top; empty = itself, or its child
    state: of a node below the one that tells: `online`, `late`, `silent`, `unknown`
    """

    node: Name
    heard_ns: Many = 0
    via: Annotated[tuple[Name, ...], Meta(max_length=8)] = ()
    about: SiteAbout | None = None
    health: SiteHealth | None = None
    state: Annotated[str, Meta(max_length=16)] = ""


Sites = Annotated[tuple[SiteTold, ...], Meta(max_length=MOST_SITES)]
