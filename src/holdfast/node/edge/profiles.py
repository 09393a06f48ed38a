"""The profiles that adapters' maps make, and what is wrong with the maps."""

from typing import Any

from holdfast.codecs.generating import profiles_of
from holdfast.codecs.profiles import Profile
from holdfast.kernel.documents import Document, Problem
from holdfast.node.edge.kinds import KINDS


def edge_profiles(document: Document[Any], problems: list[Problem]) -> list[Profile]:
    """Of a node.yaml, one pair a map; a map that several links name is one."""
    found: dict[str, list[Profile]] = {}
    origins: dict[str, str] = {}
    for kind in KINDS:
        for one in kind.maps(document, problems):
            here = f"{one.document.path}:{'.'.join(map(str, one.where))}"
            there = origins.setdefault(one.map.topic, here)
            if one.map.topic not in found:
                found[one.map.topic] = profiles_of(one.map, one.document, one.where, problems)
            elif there != here:
                problems.append(one.document.problem(one.where, f"another map is called `{one.map.name}`: {there}"))
    return [profile for pair in found.values() for profile in pair]
