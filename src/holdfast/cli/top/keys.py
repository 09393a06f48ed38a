"""Keys from what a terminal sends. Pure."""

NAMED = {
    "\t": "tab", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x15": "clear",
    "\x1b[Z": "back-tab", "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1bOA": "up",
    "\x1bOB": "down", "\x1bOC": "right", "\x1bOD": "left", "\x1b[5~": "page-up", "\x1b[6~": "page-down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x0c": "redraw",
}  # fmt: skip
_LONGEST = 6


def decode(text: str) -> tuple[list[str], str]:
    """(keys, what isn't whole yet): a name of NAMED, or the character itself. Escape alone is `escape`.

    What a terminal sends that has no name here (mouse, focus, unknown function keys) is left out.
    """
    found: list[str] = []
    while text:
        if text[0] != "\x1b":
            key = NAMED.get(text[0], text[0] if text[0].isprintable() else "")
            found += [key] if key else []
            text = text[1:]
            continue
        if text == "\x1b":
            return found, text
        end = _end(text)
        if end == 0:
            return found, text if len(text) <= _LONGEST else ""
        key = NAMED.get(text[:end], "escape" if end == 1 else "")
        found += [key] if key else []
        text = text[end:]
    return found, ""


def _end(text: str) -> int:
    """Where the sequence at the beginning ends; 0 = it isn't whole."""
    if text[1] not in "[O":
        return 1
    for at in range(2, len(text)):
        if "@" <= text[at] <= "~":
            return at + 1
    return 0
