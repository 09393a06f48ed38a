"""What a feature set computes, as a hash: equal for equal work, however it's written.

It doesn't go by the SQL parser's idea of a canonical text, which may be another one in its next release: a card that
was written years ago still names the set that it was trained on.
"""

import re
from hashlib import sha256

import msgspec

from holdfast.stream.features.settings import FeatureText, Fill

_WORDS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^\W]+(?:\.\w+)*|<=|>=|<>|!=|\|\||\S", re.UNICODE)
EVERY_OTHER = "*"
"""In the canonical form: features that `fill` doesn't name one by one."""


def squeezed(text: str) -> str:
    """An expression's words with one space between them, in lower case but for what stands in quotes."""
    return " ".join(word if word[0] in "'\"" else word.lower() for word in _WORDS.findall(text))


def canonical(text: FeatureText) -> bytes:
    """JSON of what is computed: which devices, the version and `every` aren't part of it."""
    missing: object = text.missing
    if isinstance(text.missing, Fill):
        fill = text.missing.fill
        missing = {"fill": {k: float(v) for k, v in fill.items()} if isinstance(fill, dict) else {EVERY_OTHER: fill}}
    work = {
        "select": [[name, squeezed(expression)] for name, expression in text.select.items()],
        "window": squeezed(text.window),
        "missing": missing,
        "quality": text.quality,
    }
    return msgspec.json.encode(work, order="deterministic")


def digest(text: FeatureText) -> str:
    """SHA-256 of the canonical JSON, hex."""
    return sha256(canonical(text)).hexdigest()
