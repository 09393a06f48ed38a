"""`children:` in node.yaml: who may sync to this node."""

from typing import Annotated

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration


class ChildrenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Children and what one may cost.

    tokens: child's name to the file of its token (relative to node.yaml); empty: every `<data>/children/<name>.token`
    """

    tokens: dict[str, str] = field(default_factory=dict)
    credits: Annotated[int, Meta(ge=1, le=64)] = 4
    later: Duration = 5.0
    """When a child should ask again while this node, restored from an image, waits for its own parent."""
    max_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    ask_within: Duration = 3.0
    """How long a question waits for the children's rows that haven't come up; 0 = children are never asked."""
