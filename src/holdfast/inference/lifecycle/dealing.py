"""Which share of the devices each acting version answers for: slots, dealt so that the fewest change hands.

A device belongs to one of 10,000 slots for good (a hash of deployment, salt, node and device), a slot to a version. A
change of shares moves exactly as many slots as it must: versions that lose give theirs, those that gain take them.
"""

from collections.abc import Mapping
from hashlib import blake2b
from itertools import groupby

SLOTS = 10_000
Slots = tuple[tuple[int, str], ...]
"""Runs: so many slots in a row are this version's."""


def slot_of(deployment: str, salt: str, node: str, device: str) -> int:
    """A device's slot, for good."""
    key = f"{deployment}\0{salt}\0{node}\0{device}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") % SLOTS


def deal(before: Slots, percents: Mapping[str, float], rest: str) -> Slots:
    """Slots of these percents; `rest` (empty = nobody) has what is left."""
    wanted = {ref: round(percent * SLOTS / 100) for ref, percent in percents.items()}
    left = SLOTS - sum(wanted.values())
    wanted[rest] = wanted.get(rest, 0) + left
    owner = expanded(before) or [""] * SLOTS
    free: list[int] = []
    for ref in dict.fromkeys(owner):
        held = [at for at, one in enumerate(owner) if one == ref]
        surplus = len(held) - wanted.get(ref, 0)
        if surplus > 0:
            # canaries are dealt from the top; what they give back is what they got last
            free += held[len(held) - surplus :] if ref == rest or ref not in wanted else held[:surplus]
    free.sort()
    for ref, want in sorted(wanted.items(), key=lambda pair: pair[0] == rest):
        for _ in range(max(0, min(want - owner.count(ref), len(free)))):
            owner[free.pop()] = ref
    return tuple((len(list(run)), ref) for ref, run in groupby(owner))


def expanded(slots: Slots) -> list[str]:
    """The owner of every slot; empty when nothing was dealt."""
    return [ref for n, ref in slots for _ in range(n)]
