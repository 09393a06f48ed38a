"""What can go wrong with documents.

DocumentError
├── UpdateMalformed    caller: the bytes are no Yjs update (v1), or hold what no document here may hold
├── UpdateGap          caller: the update builds on edits that this replica doesn't have; `state` says what it has
├── DocumentTooLarge   caller or operator: the document would outgrow its bound; nothing of the update was kept
├── TooManyDocuments   operator: the node holds as many documents as it may
└── MergingMissing     operator: the extra `sync` (pycrdt) isn't installed
"""

from holdfast.kernel.errors import HoldfastError


class DocumentError(HoldfastError):
    """Something about a shared document."""


class UpdateMalformed(DocumentError):
    """An update or state vector can't be used. Nothing of it was kept."""

    hint = "send a Yjs update in encoding v1 (`Y.encodeStateAsUpdate`, `Doc.get_update`), with plain JSON values"


class UpdateGap(DocumentError):
    """The update builds on edits that are missing here. Nothing of it was kept."""

    hint = "send the difference to the state vector in `state`: it holds everything that is missing"

    def __init__(self, state: bytes) -> None:
        super().__init__("the update builds on edits that this node does not have")
        self.state = state


class DocumentTooLarge(DocumentError):
    """The document would outgrow its bound."""

    hint = "delete from the document, split it, or raise `documents.max_bytes` on every node that holds it"


class TooManyDocuments(DocumentError):
    """There is no room for another document."""

    hint = "raise `documents.max_documents`, or share fewer names"


class MergingMissing(DocumentError):
    """pycrdt isn't installed."""

    hint = "pip install 'holdfast[sync]'"
