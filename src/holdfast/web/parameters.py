"""Query parameters, checked: unknown ones are refused, as a misspelt filter would silently show the wrong thing."""

from collections.abc import Sequence
from typing import get_args

from starlette.datastructures import QueryParams

from holdfast.history.answers import AGGREGATES, ALL, Aggregate
from holdfast.web.errors import Refused


def only(params: QueryParams, *allowed: str) -> None:
    """Refuse parameters that are not `allowed`."""
    for name in params:
        if name not in allowed:
            hint = "allowed: " + ", ".join(allowed) if allowed else "this path takes no parameters"
            raise Refused(400, f"unknown parameter {name[:60]!r}", hint)


def whole(params: QueryParams, name: str, default: int, most: int, least: int = 0) -> int:
    """A whole number from `least` to `most`."""
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise Refused(400, f"{name}={text[:60]!r} is not allowed", f"a whole number from {least} to {most}")
    return int(text)


def truth(params: QueryParams, name: str, *, default: bool) -> bool:
    """`true` or `false`."""
    text = params.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise Refused(400, f"{name}={text[:60]!r} is not allowed", "true or false")
    return text == "true"


def aggregates(params: QueryParams) -> Sequence[Aggregate]:
    """The wanted aggregates, all by default."""
    text = params.get("aggregates")
    if text is None:
        return AGGREGATES
    wanted = text.split(",")
    chosen = [name for name in ALL if name in wanted]
    if len(chosen) < len(set(wanted)):
        hint = "one or more of " + ", ".join(get_args(Aggregate)) + ", with commas between them"
        raise Refused(400, f"aggregates={text[:60]!r} is not allowed", hint)
    return chosen
