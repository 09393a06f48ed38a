"""One frame of the screen: head, the view, and what can be done now. Pure."""

from rich.text import Text

from holdfast.cli.top.lists import alerts, devices, rules
from holdfast.cli.top.look import Look
from holdfast.cli.top.overview import overview
from holdfast.cli.top.paint import BAD, DIM, STRONG, WARN, fit, line, padded, title, word
from holdfast.cli.top.picking import alerts_shown
from holdfast.cli.top.state import State, View
from holdfast.cli.top.syncing import syncing
from holdfast.cli.top.trends import Trends
from holdfast.cli.words import lasting, when

LEAST = (40, 10)
_KEYS = (
    ("1-5, tab", "another view"), ("j k, arrows", "move"), ("g G, space", "first, last, a page on"),
    ("/", "filter devices, alerts or rules; words that must all be there"), ("esc", "no filter"),
    ("s", "sort devices by rate, trouble or name"),
    ("a", "acknowledge the chosen alert, after a question"), ("q, Ctrl-C", "quit"),
)  # fmt: skip


def frame(look: Look, trends: Trends, state: State, at: str, size: tuple[int, int]) -> list[Text]:
    """Exactly as many lines as the screen has, none wider than it. at: where the node is asked."""
    width, height = size
    if width < LEAST[0] or height < LEAST[1]:
        small = [line(f"At least {LEAST[0]} columns and {LEAST[1]} lines, please.")]
        return [fit(text, width) for text in (small + [Text()] * height)[:height]]
    head = [_who(look, at, width), _tabs(look, state, width), line(("─" * width, DIM))]
    lost = _lost(look, width)
    body = _body(look, trends, state, width, height - len(head) - len(lost) - 2)
    lines = [*head, *lost, *body]
    lines = lines[: height - 2] + [Text()] * (height - 2 - len(lines))
    return [fit(text, width) for text in (*lines, line(("─" * width, DIM)), _foot(look, state, width))]


def _body(look: Look, trends: Trends, state: State, width: int, height: int) -> list[Text]:
    if state.mode == "helping":
        wide = max(len(key) for key, _ in _KEYS)
        return [title("Keys"), *(line((f"{key:<{wide}}  ", STRONG), said) for key, said in _KEYS)]
    if look.status is None:
        return [line(("asking …", DIM))] if not look.lost_ns else []
    match state.view:
        case View.OVERVIEW:
            return overview(look, trends, state, width, height)
        case View.DEVICES:
            return devices(look, state, width, height)
        case View.ALERTS:
            return alerts(look, state, width, height)
        case View.RULES:
            return rules(look, state, width, height)
    return syncing(look, trends, width, height)


def _who(look: Look, at: str, width: int) -> Text:
    status = look.status
    if status is None:
        return line((" Holdfast ", "bold"), word(at, DIM))
    left = line((" Holdfast ", "bold"), word(status.node, "bold cyan"), (f"  up {lasting(status.uptime_s)}", DIM))
    right = line((f"{status.version}  ", DIM), when(status.now_ns).replace("T", " ").replace("Z", " UTC "))
    space = width - len(right.plain)
    return line(padded(left, space), right) if space > 20 else left


def _tabs(look: Look, state: State, width: int) -> Text:
    counts = {
        View.DEVICES: "" if look.devices is None else f" {look.devices.total:,}",
        View.ALERTS: f" {len(alerts_shown(look, State(View.ALERTS))):,}" if look.status else "",
        View.RULES: "" if look.rules is None else f" {len(look.rules.rules):,}",
    }
    parts: list[Text | str | tuple[str, str]] = []
    for view in View:
        name = view.title if width >= 60 else view.title[:3]
        text = f" {int(view)} {name}{counts.get(view, '')} "
        parts.append((text, "reverse bold" if view == state.view else DIM))
    return line(*parts)


def _lost(look: Look, width: int) -> list[Text]:
    if not look.lost_ns:
        return []
    stale = " Below is what was last known." if look.status is not None else ""
    said = (f" Not reachable since {when(look.lost_ns)}; trying again.{stale}", f" {look.trouble}")
    return [Text(padded(word(one), width).plain, "bold white on red", no_wrap=True) for one in said]


def _foot(look: Look, state: State, width: int) -> Text:
    if state.mode == "typing":
        return line((" filter: ", STRONG), state.filter, ("▏", "blink"), ("   enter keep · esc clear", DIM))
    if state.mode == "confirming":
        one = next((one for one in look.alerts if one.id == state.alert), None)
        about = "" if one is None else f" ({one.rule} at {one.device})"
        return line(word(f" Acknowledge alert {state.alert}{about}? ", WARN), ("y", STRONG), " yes · any other key no")
    if look.said:
        return word(f" {look.said}", BAD if "not acknowledged" in look.said else "green")
    keys = [("q", "quit"), ("tab", "view"), ("j/k", "move")]
    keys += [("/", "filter")] if state.view in (View.DEVICES, View.ALERTS, View.RULES) else []
    keys += [("s", "sort")] if state.view == View.DEVICES else []
    keys += [("a", "acknowledge")] if state.view in (View.OVERVIEW, View.ALERTS) else []
    parts: list[Text | str | tuple[str, str]] = [" "]
    for key, does in (*keys, ("?", "keys")):
        parts += [(key, STRONG), (f" {does}   ", DIM)]
    return fit(line(*parts), width)
