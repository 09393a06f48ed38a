"""What people at a node do about alerts of a node below it. Append only.

It goes down as a command to the node itself (`wire.commands`): `device` is a place that no device has, `name` is
`alert.` and what is done, `params` is an `Act`. How it ended comes up as the end of any command does.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

PLACE = "@alerts/"
"""Before the id of the event that raised the alert: the same at every node."""
QUIET = f"{PLACE}-"
"""For silences, which are about no alert alone."""
ABLE = "alert-acts"
"""In `SiteAbout.can` of a node that takes them."""
Do = Literal["acknowledge", "comment", "confirmed", "rejected", "silence", "unsilence"]
Text = Annotated[str, Meta(max_length=2_000)]
Name = Annotated[str, Meta(max_length=200)]


class Act(Struct, frozen=True, omit_defaults=True):
    """One of them.

    by, at:   who, at which node; at the site they're named together
    event:    the id of the event that raised the alert; of a silence empty
    about:    node, device, rule and metric of the alert: its rule may have raised it anew since
    text:     their words
    match, until_ns: of a silence: a filter as the API has it, and its end
    silence:  which one is taken back, by the site's own number
    made_by:  or by the id of the act that made it
    """

    do: Do
    by: Name
    at: Name
    event: Annotated[str, Meta(max_length=128)] = ""
    text: Text = ""
    match: dict[str, Any] = {}
    until_ns: Annotated[int, Meta(ge=0, lt=2**62)] = 0
    made_by: Annotated[str, Meta(max_length=64)] = ""
    about: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=4)] = ()
    silence: Annotated[int, Meta(ge=0, lt=2**62)] = 0

    @property
    def place(self) -> str:
        """Where a command is addressed to."""
        return f"{PLACE}{self.event}" if self.event else QUIET

    @property
    def name(self) -> str:
        """What a command is called."""
        return f"alert.{self.do}"


NAMES = frozenset(f"alert.{do}" for do in get_args(Do))
_acts = msgspec.json.Decoder(Act)


def encode_act(act: Act) -> bytes:
    """As a command's parameters."""
    return msgspec.json.encode(act, order="deterministic")


def decode_act(params: bytes) -> Act | None:
    """An act that came from above; None = this version doesn't know it."""
    try:
        return _acts.decode(params)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_act(device: str) -> bool:
    """Is a command addressed to the node itself?"""
    return device.startswith(PLACE)
