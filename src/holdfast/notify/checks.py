"""What people write with what they do: there, and of bounded length."""

from holdfast.notify.errors import RequestInvalid

MOST_TEXT = 1_000
_ASKED = {"by": "who you are", "why": "why", "comment": "what you have to say"}


def require_text(name: str, text: str) -> None:
    """Something must be said.

    Raises:
        RequestInvalid: when nothing is, or too much.
    """
    if not text.strip():
        raise RequestInvalid(f"`{name}` is empty", f"say {_ASKED.get(name, name)}: it's kept")
    require_length(name, text)


def require_length(name: str, text: str) -> None:
    """Not too much may be said.

    Raises:
        RequestInvalid: when it is.
    """
    if len(text) > MOST_TEXT:
        raise RequestInvalid(f"`{name}` is too long", f"at most {MOST_TEXT} characters")
