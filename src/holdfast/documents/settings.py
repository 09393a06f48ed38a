"""`documents:` in node.yaml: which shared documents this node has to do with, and what they may cost."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel import stars
from holdfast.kernel.scalars import Duration, Size

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,126}")
CHILD = "{child}"
LONGEST_WAIT_S = 600.0


class DocumentsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Shared documents. Nothing is shared that isn't listed; patterns may hold `*`, which stands for any text."""

    up: tuple[str, ...] = ()
    """Exchanged with the parent."""
    children: tuple[str, ...] = ()
    """What a child may exchange with this node; `{child}` stands for the child's name."""
    max_bytes: Size = 256 << 10
    """Largest document. Merging one whole holds up everything else in the process: about 0.1 s for a megabyte."""
    max_documents: Annotated[int, Meta(ge=1, le=10_000)] = 100
    cache: Size = 4 << 20
    """Bytes of documents kept merged in memory; others are read from the journal when they're asked for."""
    wait: Duration = 60.0
    """How long the parent may hold the question for news before it answers that there are none."""

    def __post_init__(self) -> None:
        """Refuse what a parent would."""
        if not 0 < self.wait <= LONGEST_WAIT_S:
            msg = f"`wait` must be above 0 s and at most {LONGEST_WAIT_S:.0f} s"
            raise ValueError(msg)


def matcher(patterns: Iterable[str], child: str = "") -> Callable[[str], bool]:
    """Does a document's name match one of the patterns? In time that no pattern can stretch: children send theirs."""
    return stars.matcher(pattern.replace(CHILD, child) if child else pattern for pattern in patterns)
