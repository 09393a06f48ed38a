"""The first view: the site in one glance. Pure."""

from collections.abc import Sequence

from rich.text import Text

from holdfast.cli.top.lists import alert_grid
from holdfast.cli.top.look import Look
from holdfast.cli.top.paint import BAD, DIM, GOOD, STATES, WARN, Column, bar, beside, facts, grid, line, title, word
from holdfast.cli.top.picking import alerts_shown, refused_share, rules_shown, sort_key
from holdfast.cli.top.state import State
from holdfast.cli.top.trends import Trends, latest, refused, sparkline
from holdfast.cli.words import lasting, size
from holdfast.model.lane import Lane
from holdfast.web.answers import Status
from holdfast.web.device_answers import DeviceRow

_WIDE = 100
_LEVELS = {"green": GOOD, "yellow": WARN, "orange": WARN, "red": BAD}
_MATTERS = 0.05  # of messages refused: below that it's no trouble


def overview(look: Look, trends: Trends, state: State, width: int, height: int) -> list[Text]:
    """Facts, then open alerts, then rules beside devices."""
    if look.status is None:
        return []
    top = _facts(look, look.status, trends, width)
    left = height - len(top) - 1
    below = max(min(left // 2, 10), 4) if left >= 9 else 0
    found = [*top, Text(), *_alerts(look, state, width, left - below - (1 if below else 0))]
    if below:
        found += [Text()] * (height - below - len(found))
        found += _lower(look, state, width, below)
    return found


def _facts(look: Look, status: Status, trends: Trends, width: int) -> list[Text]:
    half = width // 2
    spark = max(half - 32, 0)
    flow = [
        ("readings", _rate(trends.readings, spark)),
        ("messages", _rate(trends.messages, spark)),
        ("refused", _rate(trends.refused, spark, BAD)),
        ("link", _link(status)),
        ("backlog", _backlog(status, trends, spark)),
    ]
    state = [
        ("devices", _devices(look)),
        ("ledger", _ledger(look)),
        ("clock", _clock(look)),
        ("rules", _rules(status)),
        ("refused", _refused(status)),
    ]
    return [*beside(facts(flow), facts(state), width), line(("journal   ", DIM), _journal(status, width - 10))]


def _rate(rates: Sequence[float], spark: int, style: str = GOOD) -> Text:
    now = latest(rates)
    if now is None:
        return line(("measuring …", DIM))
    return line(f"{now:>9,.1f} /s  ", (sparkline(rates, spark), style if any(rates) else DIM))


def _link(status: Status) -> Text:
    link = status.link
    if link is None:
        return line(("no parent", DIM))
    goodput = "" if link.goodput_bps is None else f", {link.goodput_bps / 1000:,.0f} kbit/s"
    detail = f": {link.detail}" if link.detail else ""
    return line((link.state, STATES.get(link.state, "")), word(f", {link.pace}{goodput}{detail}"))


def _backlog(status: Status, trends: Trends, spark: int) -> Text:
    if not status.backlog:
        return line(("nothing waits: no parent", DIM))
    named = [f"{lane.name.lower()} {n:,}" for lane, n in zip(Lane, status.backlog, strict=False) if n]
    if not named:
        return line(("none", GOOD))
    return line((", ".join(named), WARN), "  ", (sparkline(trends.backlog, max(spark - 10, 0)), WARN))


def _devices(look: Look) -> Text:
    if look.devices is None:
        return line(("not known", DIM))
    counts = dict.fromkeys(STATES, 0)
    for one in look.devices.devices:
        counts[one.state] = counts.get(one.state, 0) + 1
    more = look.devices.total - len(look.devices.devices)
    parts: list[Text | str] = []
    for state, n in counts.items():
        if n and state:
            parts += [", " if parts else "", line((f"{n:,} {state}", STATES.get(state, "")))]
    return line(*parts, f" of the first {len(look.devices.devices):,}" if more > 0 else "") if parts else line("none")


def _ledger(look: Look) -> Text:
    if look.ledger is None:
        return line(("not known", DIM))
    if look.ledger.balanced:
        return line(("balanced", GOOD), ", residual 0")
    off = look.ledger.messages.residual + look.ledger.rows.residual + sum(one.residual for one in look.ledger.lanes)
    return line((f"NOT balanced, residual {off:,}", BAD))


def _clock(look: Look) -> Text:
    if look.clock is None:
        return line(("not known", DIM))
    trust = look.clock.trust
    return line((trust, {"trusted": GOOD, "unset": BAD}.get(trust, WARN)))


def _rules(status: Status) -> Text:
    rules = status.rules
    if rules is None:
        return line(("none", DIM))
    wrong = [f"{len(rules.throttled)} throttled"] if rules.throttled else []
    wrong += ["files not in force"] if rules.problems else []
    return line(f"{rules.rules:,}, {rules.raised:,} raised", (", " + ", ".join(wrong) if wrong else "", WARN))


def _refused(status: Status) -> Text:
    count, received = refused(status), status.counters.get("messages_received", 0)
    share = count / received if received else 0.0
    return line(f"{count:,} of {received:,} messages", (f" ({share:.1%})", WARN if share > _MATTERS else DIM))


def _journal(status: Status, width: int) -> Text:
    journal = status.journal
    share = journal.used_bytes / journal.quota_bytes if journal.quota_bytes else 0.0
    style = _LEVELS.get(journal.level, "")
    said = f" {share:.1%} of {size(journal.quota_bytes)}, {journal.level}, {journal.condition}"
    tone = BAD if journal.condition not in ("ok", "closed") else ""
    return line(bar(share, max(min(width - len(said), 60), 5), style), (said, tone))


def _alerts(look: Look, state: State, width: int, height: int) -> list[Text]:
    shown = alerts_shown(look, state)
    waiting = sum(1 for one in shown if not one.acknowledged_ns)
    if not shown:
        return [title("Open alerts"), line(("none: all is calm", GOOD))]
    about = f"{len(shown):,}, {waiting:,} not acknowledged"
    return [title("Open alerts", about), *alert_grid(look, state, width, height - 1)]


def _lower(look: Look, state: State, width: int, height: int) -> list[Text]:
    half = width // 2 - 2
    rules = rules_shown(look, State(state.view))[: height - 2]
    columns = (Column("rule", 0), Column("µs a reading", 1, 12, right=True), Column("core", 2, 7, right=True))
    body = [
        [
            line(word(one.rule), (f" {one.part}" if one.part else "", DIM)),
            line(f"{one.cpu_us_per_reading:,.1f}"),
            line((f"{one.cpu_share:.1%}", WARN if one.state != "ok" else "")),
        ]
        for one in rules
    ]
    left = [title("Costliest rules"), *(grid(columns, body, half) if body else [line(("no rules", DIM))])]
    return beside(left, _devices_block(look, width - width // 2, height), width)


def _devices_block(look: Look, width: int, height: int) -> list[Text]:
    """Half of the lines for those in trouble, when there are any; the rest for those that send most."""
    every = [] if look.devices is None else look.devices.devices
    troubled = sorted((one for one in every if _in_trouble(one)), key=lambda one: sort_key(one, "trouble"))
    shown = troubled[: (height - 1) // 2]
    names = {(one.node, one.name) for one in shown}
    busy = [one for one in sorted(every, key=lambda one: sort_key(one, "rate")) if (one.node, one.name) not in names]
    shown += busy[: max(height - 2 - len(shown), 0)]
    columns = (
        Column("device", 0), Column("state", 1, 8), Column("per min", 2, 10, right=True),
        Column("refused", 3, 8, right=True),
    )  # fmt: skip
    now = 0 if look.status is None else look.status.now_ns
    body = [_device(one, now) for one in shown]
    head = title("Devices", f"{len(troubled):,} in trouble" if troubled else "by rate")
    return [head, *(grid(columns, body, width) if body else [line(("none yet", DIM))])]


def _device(one: DeviceRow, now_ns: int) -> list[Text]:
    share = refused_share(one)
    late = one.state in ("late", "silent") and one.last_ns
    return [
        word(one.name),
        line((one.state or "-", STATES.get(one.state, ""))),
        line((lasting(max(now_ns - one.last_ns, 0) / 1e9), WARN)) if late else line(f"{one.rate:,.1f}"),
        line((f"{share:.1%}", WARN if share > _MATTERS else DIM)),
    ]


def _in_trouble(one: DeviceRow) -> bool:
    return one.status != "retired" and (
        one.state in ("late", "silent") or one.over_budget or refused_share(one) > _MATTERS or one.held > 0
    )
