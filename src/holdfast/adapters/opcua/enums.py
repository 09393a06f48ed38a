"""What an enumeration's numbers are called, asked of the server (Part 3 §8.14: EnumStrings, EnumValues)."""

from collections.abc import Sequence
from struct import Struct
from typing import Any

from asyncua import ua

from holdfast.adapters.opcua.binary import Reader
from holdfast.adapters.opcua.errors import Malformed
from holdfast.adapters.opcua.items import Item
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.kernel.errors import HoldfastError

_MOST_STANDARD = 25
"""Data types of namespace 0 up to here are the built-in ones."""
_VALUE = Struct("<q")


async def learn(link: Link, items: Sequence[Item]) -> None:
    """Fill in `enum` of text items whose node is an enumeration. That a server doesn't tell is no failure."""
    wanted = [(item, item.address.resolved(link.spaces)) for item in items if item.node.type == "text"]
    known = [(item, address) for item, address in wanted if address is not None]
    if not known:
        return
    types = await link.read([node_id(address) for _, address in known], ua.AttributeIds.DataType)
    found: dict[str, dict[int, str]] = {}
    for (item, _), told in zip(known, types, strict=True):
        text = told.value
        if not isinstance(text, str) or _is_built_in(text):
            continue
        if text not in found:
            try:
                found[text] = await names_of(link, ua.NodeId.from_string(text))
            except (HoldfastError, ua.UaError):
                found[text] = {}
        item.enum = found[text] or None


def _is_built_in(text: str) -> bool:
    return text.startswith("i=") and text[2:].isdigit() and int(text[2:]) <= _MOST_STANDARD


async def names_of(link: Link, type_: Any) -> dict[int, str]:
    """The names of a data type's numbers; none when it's no enumeration."""
    wanted = ua.BrowseParameters()
    wanted.RequestedMaxReferencesPerNode = 20
    wanted.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=type_,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasProperty),
            IncludeSubtypes=True,
            NodeClassMask=0,
            ResultMask=ua.BrowseResultMask.All,
        )
    ]
    (answer,) = await link.call(lambda client: client.uaclient.browse(wanted))
    for reference in answer.References or ():
        if reference.BrowseName.Name in ("EnumStrings", "EnumValues"):
            (told,) = await link.read([reference.NodeId])
            if isinstance(told.value, list):
                return _names(told.value)
    return {}


def _names(told: Sequence[object]) -> dict[int, str]:
    found: dict[int, str] = {}
    for i, one in enumerate(told):
        if isinstance(one, str):
            found[i] = one
        elif isinstance(one, bytes):
            number, name = _value(one)
            found[number] = name
    return found


def _value(body: bytes) -> tuple[int, str]:
    """EnumValueType (Part 3 §8.40): Value, DisplayName, Description."""
    reader = Reader(body)
    reader.skip(_VALUE.size)
    name = reader.local()
    if name is None:
        msg = "an enumeration's value has no name"
        raise Malformed(msg)
    return _VALUE.unpack_from(body)[0], name
