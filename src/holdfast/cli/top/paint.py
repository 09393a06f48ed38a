"""Lines of styled text in columns, bars and cut ends: what all views are drawn with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from holdfast.cli.words import plain

GOOD, WARN, BAD, DIM, HEAD, STRONG = "green", "yellow", "bold red", "dim", "bold cyan", "bold"
TONES = {"critical": BAD, "major": BAD, "error": BAD, "warning": WARN, "minor": WARN, "info": "cyan"}
STATES = {"online": GOOD, "late": WARN, "silent": BAD, "never": DIM, "unknown": DIM, "up": GOOD, "down": BAD}
_GAP = 2
_READABLE = 28  # cells that a column without a width of its own should have before others may stay
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def word(text: str, style: str = "") -> Text:
    """Foreign text, made harmless."""
    return Text(plain(text), style, no_wrap=True)


def line(*parts: Text | str | tuple[str, str]) -> Text:
    """One line of parts, each as it is or (text, style)."""
    return Text.assemble(*parts, no_wrap=True)


def fit(text: Text, width: int) -> Text:
    """Cut to `width` cells, with … where something went."""
    if cell_len(text.plain) <= width:
        return text
    short = text.copy()
    short.truncate(max(width, 0), overflow="ellipsis")
    return short


def padded(text: Text, width: int, *, right: bool = False) -> Text:
    """Exactly `width` cells."""
    short = fit(text, width)
    spaces = " " * (width - cell_len(short.plain))
    return line(spaces, short) if right else line(short, spaces)


def beside(left: Sequence[Text], right: Sequence[Text], width: int, share: float = 0.5) -> list[Text]:
    """Two blocks beside each other."""
    at = int(width * share)
    height = max(len(left), len(right))
    blank = Text()
    return [
        line(padded(left[i] if i < len(left) else blank, at - _GAP), " " * _GAP,
             fit(right[i] if i < len(right) else blank, width - at))
        for i in range(height)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. need: the smaller, the longer it stays when it gets narrow; most: cells, 0 = what's left."""

    title: str
    need: int = 0
    most: int = 0
    right: bool = False


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int, chosen: int | None = None
) -> list[Text]:
    """A head and a line a row; columns that don't fit go, those needed least first."""
    shown = list(range(len(columns)))
    natural = [
        max([cell_len(column.title), *(cell_len(row[i].plain) for row in rows)]) for i, column in enumerate(columns)
    ]
    wanted = [min(n, column.most) if column.most else n for n, column in zip(natural, columns, strict=True)]
    least = [w if column.most else min(w, _READABLE) for w, column in zip(wanted, columns, strict=True)]
    while len(shown) > 1 and sum(least[i] + _GAP for i in shown) - _GAP > width:
        shown.remove(max(shown, key=lambda i: (columns[i].need, i)))
    spare = width - sum(least[i] + _GAP for i in shown) + _GAP
    given = {i: least[i] for i in shown}
    for i in shown:
        more = min(max(spare, 0), wanted[i] - least[i])
        given[i], spare = given[i] + more, spare - more
    head = [_row([Text(columns[i].title, DIM) for i in shown], shown, columns, given, width)]
    body = []
    for n, row in enumerate(rows):
        one = _row([row[i] for i in shown], shown, columns, given, width)
        if n == chosen:
            one = Text(padded(one, width).plain, "reverse", no_wrap=True)
        body.append(one)
    return head + body


def _row(
    cells: Sequence[Text], shown: Sequence[int], columns: Sequence[Column], given: dict[int, int], width: int
) -> Text:
    parts: list[Text | str] = []
    for i, cell in zip(shown, cells, strict=True):
        parts += [padded(cell, given[i], right=columns[i].right), " " * _GAP]
    return fit(line(*parts[:-1]), width)


def window(count: int, chosen: int, height: int) -> range:
    """Which lines of `count` are seen when `chosen` must be."""
    first = max(0, min(chosen - height // 2, count - height))
    return range(first, min(first + max(height, 0), count))


def bar(share: float, width: int, style: str) -> Text:
    """A filled bar, to an eighth of a cell."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    whole, rest = divmod(eighths, 8)
    full = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return line((full, style), ("·" * (width - len(full)), DIM))


def title(text: str, about: str = "") -> Text:
    """The head of a block."""
    return line((text, HEAD), (f"  {about}" if about else "", DIM))


def facts(pairs: Sequence[tuple[str, Text]]) -> list[Text]:
    """Names and values below each other."""
    width = max((len(name) for name, _ in pairs), default=0)
    return [line((f"{name:<{width}}  ", DIM), value) for name, value in pairs]
