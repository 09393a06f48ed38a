"""Protocol Buffers messages by a descriptor set (`protoc --include_imports -o`). Needs the extra `protobuf`.

A field without presence (proto3 scalars) is always there, as its default: a zero is a reading. Enums become names.
"""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason

_MAX_DEPTH = 32


class DescriptorInvalid(ValueError):
    """The descriptor set can't be used; the text says why."""


class ProtobufDecoder:
    """Decodes messages of one type."""

    def __init__(self, descriptors: Path, message: str) -> None:
        """Read the descriptor set.

        Raises:
            DescriptorInvalid: when it can't be read or hasn't the message.
        """
        try:
            files = FileDescriptorSet.FromString(descriptors.read_bytes())
        except OSError as error:
            raise DescriptorInvalid(f"{descriptors} can't be read: {error.strerror}") from None
        except DecodeError:
            raise DescriptorInvalid(f"{descriptors} is no descriptor set: make it with protoc -o") from None
        pool = DescriptorPool()
        try:
            for file in files.file:
                pool.Add(file)
            self._class: type[Message] = GetMessageClass(pool.FindMessageTypeByName(message))
        except (KeyError, TypeError) as error:
            names = ", ".join(sorted(f"{f.package}.{m.name}".lstrip(".") for f in files.file for m in f.message_type))
            raise DescriptorInvalid(f"no message `{message}` in {descriptors.name}: {error}; it has {names}") from None

    def __call__(self, payload: bytes) -> Any:
        """The message's fields by name.

        Raises:
            Refused: when it's no such message or nests too deep.
        """
        try:
            return as_object(self._class.FromString(payload), 0)
        except (DecodeError, UnicodeDecodeError) as error:
            malformed(f"not protobuf: {error}")


def as_object(message: Message, depth: int) -> dict[str, Any]:
    """A message as dicts, lists and scalars.

    Raises:
        Refused: when it nests deeper than 32.
    """
    if depth > _MAX_DEPTH:
        raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {_MAX_DEPTH}")
    out: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name["value"]
            out[field.name] = {str(k): _plain(entry, value[k], depth) for k in value}
        elif field.is_repeated:
            out[field.name] = [_plain(field, item, depth) for item in value]
        else:
            out[field.name] = _plain(field, value, depth)
    return out


def _plain(field: Any, value: Any, depth: int) -> Any:
    if field.message_type is not None:
        return as_object(value, depth + 1)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return value
