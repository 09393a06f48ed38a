"""What a caller writes, checked: the same for HTTP, local MQTT and rules."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from holdfast.commands.errors import CommandInvalid
from holdfast.commands.service import Asked
from holdfast.model.command import MAX_PARAMS, CommandId, CommandName, DeviceName


class CommandBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A command as it's posted. deadline: seconds from now; node: where the device is, empty = here."""

    name: CommandName
    params: dict[str, Any] = {}
    deadline: Annotated[float, Meta(gt=0)] | None = None
    id: CommandId | None = None
    node: Annotated[str, Meta(max_length=128)] = ""


class LocalBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A command as an MQTT client publishes it; its name and device are in the topic."""

    params: dict[str, Any] = {}
    deadline: Annotated[float, Meta(gt=0)] | None = None
    id: CommandId | None = None


_local = msgspec.json.Decoder(LocalBody)


def asked(body: CommandBody, device: str, origin: str, longest_s: float) -> Asked:
    """The command.

    Raises:
        CommandInvalid: when it can't be one.
    """
    try:
        msgspec.convert((device, body.name), tuple[DeviceName, CommandName])
    except msgspec.ValidationError as error:
        raise CommandInvalid(f"no device or command is named so: {error}") from error
    if not device.isprintable():
        raise CommandInvalid("the device's name has characters that don't print")
    if body.deadline is not None and body.deadline > longest_s:
        raise CommandInvalid(f"a deadline of {body.deadline:g} s is longer than `commands.longest`, {longest_s:g} s")
    params = canonical(body.params)
    return Asked(device, body.name, origin, params, body.node, body.id or "", body.deadline)


def canonical(params: dict[str, Any]) -> bytes:
    """Parameters as bytes that are the same for the same content.

    Raises:
        CommandInvalid: when they are too large.
    """
    found = msgspec.json.encode(params, order="deterministic")
    if len(found) > MAX_PARAMS:
        raise CommandInvalid(f"the parameters are {len(found):,} bytes; {MAX_PARAMS:,} is the most")
    return found


def local_body(name: str, payload: bytes) -> CommandBody:
    """What a client published; nothing = no parameters.

    Raises:
        CommandInvalid: when it can't be read.
    """
    try:
        said = _local.decode(payload) if payload else LocalBody()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CommandInvalid(f"the payload can't be read: {error}") from error
    return CommandBody(name, said.params, said.deadline, said.id)
