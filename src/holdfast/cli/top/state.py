"""What the screen stands at, and what a key does to it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Literal

PAGE = 10
SORTS = ("rate", "trouble", "name")
_FILTER_LENGTH = 60


class View(IntEnum):
    """The screens, in the order of their keys."""

    OVERVIEW = 1
    DEVICES = 2
    ALERTS = 3
    RULES = 4
    SYNC = 5

    @property
    def title(self) -> str:
        """As it's named at the top."""
        return self.name.capitalize()


Mode = Literal["looking", "typing", "confirming", "helping"]


@dataclass(frozen=True, slots=True)
class State:
    """Where the viewer is.

    at:      the line chosen in each view; filters: what the lines of each view must hold
    mode:    `typing` a filter, `confirming` an acknowledgement of `alert`, `helping`, or plain `looking`
    quits:   the viewer has had enough
    wants:   the alert to be acknowledged now; the loop takes it out
    """

    view: View = View.OVERVIEW
    at: dict[View, int] = field(default_factory=dict)
    filters: dict[View, str] = field(default_factory=dict)
    mode: Mode = "looking"
    sort: str = SORTS[0]
    alert: int = 0
    quits: bool = False
    wants: int = 0

    @property
    def filter(self) -> str:
        """Of this view."""
        return self.filters.get(self.view, "")

    def chosen(self, count: int) -> int:
        """The line chosen among `count`."""
        return max(0, min(self.at.get(self.view, 0), count - 1))


def press(state: State, key: str, alerts: Sequence[int], count: int) -> State:
    """The state after a key. alerts: those shown, by number; count: lines that this view has."""
    if state.mode == "typing":
        return _typed(state, key)
    if state.mode == "confirming":
        wants = state.alert if key in ("y", "Y") else 0
        return replace(state, mode="looking", alert=0, wants=wants)
    if state.mode == "helping":
        return replace(state, mode="looking", quits=key == "q")
    if key == "a":
        return _asked(state, alerts)
    if key in _MOVES:
        return _moved(state, _MOVES[key](state.chosen(count), count))
    return _looked(state, key)


_MOVES: dict[str, Callable[[int, int], int]] = {
    "j": lambda at, _: at + 1,
    "down": lambda at, _: at + 1,
    "k": lambda at, _: at - 1,
    "up": lambda at, _: at - 1,
    "page-down": lambda at, _: at + PAGE,
    " ": lambda at, _: at + PAGE,
    "page-up": lambda at, _: at - PAGE,
    "g": lambda _at, _count: 0,
    "home": lambda _at, _count: 0,
    "G": lambda _at, count: count - 1,
    "end": lambda _at, count: count - 1,
}


def _looked(state: State, key: str) -> State:
    if key == "q":
        return replace(state, quits=True)
    if key.isdigit() and 1 <= int(key) <= len(View):
        return replace(state, view=View(int(key)))
    if key in ("tab", "right", "back-tab", "left"):
        step = 1 if key in ("tab", "right") else -1
        return replace(state, view=View((state.view - 1 + step) % len(View) + 1))
    if key == "/" and state.view in (View.DEVICES, View.ALERTS, View.RULES):
        return replace(state, mode="typing")
    if key == "?":
        return replace(state, mode="helping")
    if key == "s" and state.view == View.DEVICES:
        return replace(state, sort=SORTS[(SORTS.index(state.sort) + 1) % len(SORTS)])
    if key == "escape":
        return _filtered(state, "")
    return state


def _asked(state: State, alerts: Sequence[int]) -> State:
    if state.view not in (View.ALERTS, View.OVERVIEW) or not alerts:
        return state
    return replace(state, mode="confirming", alert=alerts[state.chosen(len(alerts))])


def _typed(state: State, key: str) -> State:
    text = state.filter
    match key:
        case "enter":
            return replace(state, mode="looking")
        case "escape":
            return replace(_filtered(state, ""), mode="looking")
        case "backspace":
            return _filtered(state, text[:-1])
        case "clear":
            return _filtered(state, "")
    return _filtered(state, (text + key)[:_FILTER_LENGTH]) if len(key) == 1 else state


def _filtered(state: State, text: str) -> State:
    return replace(state, filters={**state.filters, state.view: text}, at={**state.at, state.view: 0})


def _moved(state: State, to: int) -> State:
    return replace(state, at={**state.at, state.view: max(to, 0)})
