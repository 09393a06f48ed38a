"""Writes nodes and reads them back. The type is the node's own: it's looked up, since servers take no other."""

import asyncio
from collections.abc import Mapping
from math import isclose
from typing import Any

from asyncua import ua

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.opcua import answers, binary
from holdfast.adapters.opcua.items import Item
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.opcua.values import scalar
from holdfast.adapters.opcua.words import hint_of, status_words
from holdfast.kernel.errors import HoldfastError
from holdfast.model.points import Scalar

_RANGES = {binary.SBYTE: (-(2**7), 2**7), binary.BYTE: (0, 2**8), binary.INT16: (-(2**15), 2**15)}
_RANGES |= {binary.UINT16: (0, 2**16), binary.INT32: (-(2**31), 2**31), binary.UINT32: (0, 2**32)}
_RANGES |= {binary.INT64: (-(2**63), 2**63), binary.UINT64: (0, 2**64)}
_SETTLES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
"""A controller may take a cycle or more until what was written can be read."""
_F32 = 1e-6


async def write(link: Link, values: Mapping[Item, Scalar], settings: OpcuaSettings) -> dict[str, Scalar]:
    """Write, and return what is read back.

    Raises:
        DeviceUnreachable: nothing was written.
        WriteRefused: the server says no, or it isn't of the node's type.
        WriteFailed: it was tried, and isn't to be seen, or only in part.
    """
    items = list(values)
    nodes = [_node(link, item) for item in items]
    types = await _types(link, nodes, settings)
    variants = [_variant(item, type_, values[item]) for item, type_ in zip(items, types, strict=True)]
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(variant))
        for node, variant in zip(nodes, variants, strict=True)
    ]
    try:
        codes = await link.ask(request, answers.codes_written)
    except DeviceUnreachable as error:  # sent, and no answer came: nobody knows
        raise WriteFailed(f"no answer to the write: {error}") from error
    except HoldfastError as error:
        raise WriteRefused(str(error)) from error
    _judge(items, codes)
    return await _read_back(link, items, nodes, values)


def _node(link: Link, item: Item) -> ua.NodeId:
    address = item.address.resolved(link.spaces)
    if address is None:
        raise WriteRefused(f"`{item.name}`: the server has no namespace {item.address.space}")
    return node_id(address)


async def _types(link: Link, nodes: list[ua.NodeId], settings: OpcuaSettings) -> list[int]:
    """The built-in types: those of the values, or of a node without one, its data type's."""
    found = []
    for node, value in zip(nodes, await link.read(nodes), strict=True):
        type_ = value.type
        if not type_:
            (told,) = await link.read([node], ua.AttributeIds.DataType)
            type_ = int(told.value[2:]) if isinstance(told.value, str) and told.value[2:].isdigit() else 0
        if isinstance(value.value, list) or not 0 < type_ <= binary.LOCAL:
            raise WriteRefused(f"{settings.where}: {node.to_string()} has no value that can be written")
        found.append(type_)
    return found


def _variant(item: Item, type_: int, value: Scalar) -> Any:
    return ua.Variant(_as(item, type_, value), ua.VariantType(type_))


def _as(item: Item, type_: int, value: Scalar) -> Any:
    """A value as the node's type has it."""
    if isinstance(value, str):
        return _text(item, type_, value)
    if type_ == binary.BOOL and value in (0, 1):
        return bool(value)
    if type_ in binary.INTS:
        low, high = _RANGES[type_]
        whole = round(value)
        if not low <= whole < high or not isclose(whole, value, rel_tol=1e-12, abs_tol=1e-9):
            raise WriteRefused(f"`{item.name}` takes whole numbers from {low} to {high - 1}, not {value:g}")
        return whole
    if type_ in (binary.FLOAT, binary.DOUBLE):
        return float(value)
    raise _no(item, type_, value)


def _text(item: Item, type_: int, value: str) -> Any:
    if type_ in binary.INTS and item.enum:
        number = next((key for key, name in item.enum.items() if name == value), None)
        if number is None:
            raise WriteRefused(f"`{item.name}` has no {value!r}; it knows {', '.join(item.enum.values())}")
        return number
    if type_ == binary.STRING:
        return value
    if type_ == binary.LOCAL:
        return ua.LocalizedText(value)
    raise _no(item, type_, value)


def _no(item: Item, type_: int, value: Scalar) -> WriteRefused:
    return WriteRefused(f"`{item.name}` is of the type {ua.VariantType(type_).name}, and {value!r} can't be one")


def _judge(items: list[Item], codes: list[int]) -> None:
    bad = [(item, code) for item, code in zip(items, codes, strict=False) if code >> 30 == 2]
    if not bad and len(codes) == len(items):
        return
    told = "; ".join(f"`{item.name}`: {status_words(code)}" for item, code in bad) or "the answer is too short"
    if len(bad) == len(items):
        raise WriteRefused(told, hint_of(bad[0][1]))
    raise WriteFailed(f"{told}; the others of the command were written")


async def _read_back(
    link: Link, items: list[Item], nodes: list[ua.NodeId], values: Mapping[Item, Scalar]
) -> dict[str, Scalar]:
    found: dict[str, Scalar | None] = {}
    for pause_s in _SETTLES_S:
        await asyncio.sleep(pause_s)
        try:
            told = await link.read(nodes)
        except HoldfastError as error:
            raise WriteFailed(f"written, and not to be read back: {error}") from error
        found = {
            item.name: None if one.code >> 30 > 1 else scalar(one.type, one.value, item.node.type, item.enum)
            for item, one in zip(items, told, strict=True)
        }
        if all(_same(found[item.name], values[item]) for item in items):
            return {name: value for name, value in found.items() if value is not None}
    wrong = next(item for item in items if not _same(found[item.name], values[item]))
    raise WriteFailed(f"`{wrong.name}` was written {values[wrong]!r} and reads {found[wrong.name]!r}")


def _same(found: Scalar | None, wanted: Scalar) -> bool:
    if found is None:
        return False
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    return isclose(found, wanted, rel_tol=_F32, abs_tol=_F32)
