"""Every setting and every refusal stands in the reference."""

from pathlib import Path

from msgspec import inspect as mi

from holdfast.codecs.reject import RejectReason
from holdfast.node.settings import NodeSettings

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def keys(kind: mi.Type, prefix: str = "") -> list[str]:
    if isinstance(kind, mi.Metadata):
        return keys(kind.type, prefix)
    if isinstance(kind, mi.UnionType):
        return [key for option in kind.types for key in keys(option, prefix)]
    if not isinstance(kind, mi.StructType):
        return []
    found = []
    for field in kind.fields:
        name = f"{prefix}{field.encode_name}"
        found += [name, *keys(field.type, f"{name}.")]
    return found


def test_every_key_of_node_yaml_is_in_its_reference() -> None:
    text = (DOCS / "node-yaml.md").read_text()
    assert [key for key in keys(mi.type_info(NodeSettings)) if f"`{key}`" not in text and f"`{key}`," not in text] == []


def test_every_reason_for_refusal_is_in_the_profiles_reference() -> None:
    text = (DOCS / "profiles.md").read_text()
    assert [reason for reason in RejectReason if f"`{reason}`" not in text] == []
