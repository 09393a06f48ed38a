"""The Sparkplug B payload (Eclipse Sparkplug 3.0.0 §6.4) as a protobuf message type, built from its field numbers.

Data sets, templates and extensions are kept as bytes: they're skipped, and so can't nest.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_TYPES = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
}
_MESSAGES = {
    "PropertyValue": (
        "type uint32 1, is_null bool 2, | int_value uint32 3, long_value uint64 4, float_value float 5, "
        "double_value double 6, boolean_value bool 7, string_value string 8"
    ),
    "PropertySet": "keys string* 1, values PropertyValue* 2",
    "Metric": (
        "name string 1, alias uint64 2, timestamp uint64 3, datatype uint32 4, is_historical bool 5, "
        "is_transient bool 6, is_null bool 7, properties PropertySet 9, | int_value uint32 10, long_value uint64 11, "
        "float_value float 12, double_value double 13, boolean_value bool 14, string_value string 15, "
        "bytes_value bytes 16, dataset_value bytes 17, template_value bytes 18, extension_value bytes 19"
    ),
    "Payload": "timestamp uint64 1, metrics Metric* 2, seq uint64 3, uuid string 4, body bytes 5",
}
"""`name type number`; `*` is repeated, what follows `|` is the oneof `value`."""


def _payload_class() -> Any:
    file = FileDescriptorProto(name="holdfast/sparkplug_b.proto", package="holdfast.sparkplug", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        in_oneof = False
        for words in map(str.split, fields.split(", ")):
            if words[0] == "|":
                message.oneof_decl.add(name="value")
                in_oneof, words = True, words[1:]  # noqa: PLW2901  # the mark stands before a field
            field = message.field.add(name=words[0], number=int(words[2]))
            type_ = words[1].rstrip("*")
            field.label = (
                FieldDescriptorProto.LABEL_REPEATED if "*" in words[1] else FieldDescriptorProto.LABEL_OPTIONAL
            )
            if type_ in _TYPES:
                field.type = _TYPES[type_]
            else:
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".holdfast.sparkplug.{type_}"
            if in_oneof:
                field.oneof_index = 0
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("holdfast.sparkplug.Payload"))


PAYLOAD = _payload_class()
