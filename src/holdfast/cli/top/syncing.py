"""The view of the way up: link, budget, what waits by lane with its ledger, brokers, routes, children. Pure."""

from rich.text import Text

from holdfast.cli.top.look import Look
from holdfast.cli.top.paint import BAD, DIM, GOOD, STATES, WARN, Column, facts, fit, grid, line, title, word
from holdfast.cli.top.trends import Trends, latest, sparkline
from holdfast.cli.words import lasting, size
from holdfast.journal.ledger import Ledger
from holdfast.model.lane import Lane
from holdfast.web.answers import BudgetStatus, LinkStatus, Status

_MOST_ROWS = 6


def syncing(look: Look, trends: Trends, width: int, height: int) -> list[Text]:
    """Everything of the way up, as far as it fits."""
    if look.status is None:
        return []
    found = [title("Link"), *_link(look.status, trends, width), Text(), title("Rows by lane"), *_lanes(look, width)]
    found += _foreign(look.status, width)
    if look.ledger is not None and look.ledger.children:
        found += [Text(), title("Children"), *_children(look.ledger, width)]
    return [fit(text, width) for text in found[:height]]


def _link(status: Status, trends: Trends, width: int) -> list[Text]:
    link = status.link
    if link is None:
        return [line(("no parent: what is here stays here", DIM))]
    rate = latest(trends.sent_bps)
    spark = sparkline(trends.sent_bps, min(max(width - 40, 0), 120))
    return facts(
        [
            ("state", line((link.state, STATES.get(link.state, "")), word(f" to {link.url}"))),
            ("why", word(link.detail or "-", "" if link.state == "up" else BAD)),
            ("measured", line(_measured(link))),
            ("sending", line("measuring …" if rate is None else f"{rate / 1000:,.1f} kbit/s  ", (spark, GOOD))),
            ("so far", line(f"sent {size(link.sent_bytes)}, received {size(link.received_bytes)}")),
            ("window", line("open" if not link.window_in_s else f"bulk waits {lasting(link.window_in_s)}")),
            ("budget", line(_budget(link.budget))),
        ]
    )


def _measured(link: LinkStatus) -> str:
    goodput = "goodput not measured yet" if link.goodput_bps is None else f"{link.goodput_bps / 1000:,.0f} kbit/s"
    rtt = "" if link.rtt_s is None else f", round trip {link.rtt_s * 1000:.0f} ms"
    return f"pace {link.pace}, {goodput}{rtt}"


def _budget(budget: BudgetStatus | None) -> str:
    if budget is None:
        return "none"
    left = "" if budget.day_left is None else f" ({size(budget.day_left)} left)"
    rest = "" if budget.month_left is None else f" ({size(budget.month_left)} left)"
    return f"{size(budget.day_bytes)} this day{left}, {size(budget.month_bytes)} this month{rest}"


def _lanes(look: Look, width: int) -> list[Text]:
    ledger = look.ledger
    if ledger is None:
        return [line(("not known", DIM))]
    columns = (
        Column("lane", 0, 10), Column("accepted", 1, 15, right=True), Column("delivered", 3, 15, right=True),
        Column("pending", 2, 13, right=True), Column("kept", 4, 13, right=True), Column("shed", 5, 13, right=True),
        Column("residual", 1, 10, right=True),
    )  # fmt: skip
    rows = []
    for one in ledger.lanes:
        lane = Lane(one.lane)
        if lane.stays and not one.committed:
            continue
        shed = sum(one.shed.values()) - one.late
        rows.append(
            [
                line(lane.name.lower()),
                *(line(f"{n:,}") for n in (one.committed, one.delivered)),
                line((f"{one.pending:,}", WARN if one.pending else DIM)),
                line(f"{one.kept:,}"),
                line((f"{shed:,}", WARN if shed else DIM)),
                line((f"{one.residual:,}", BAD if one.residual else GOOD)),
            ]
        )
    said = (
        ("balanced: accepted = delivered + pending + kept + shed", GOOD) if ledger.balanced else ("NOT balanced", BAD)
    )
    gaps = f"; {len(ledger.gaps):,} gaps" if ledger.gaps else ""
    return [*grid(columns, rows, width), line(said, (gaps, DIM))]


def _foreign(status: Status, width: int) -> list[Text]:
    if not status.brokers and not status.routes:
        return []
    columns = (Column("way", 0, 24), Column("state", 1, 6), Column("counted", 3, 44), Column("detail", 2))
    rows = [
        [
            word(f"broker {one.name}"),
            line((one.state, STATES.get(one.state, ""))),
            line(f"{one.received:,} received"),
            word(one.detail),
        ]
        for one in status.brokers[:_MOST_ROWS]
    ]
    rows += [
        [
            word(f"route {one.name}"),
            line((one.state, STATES.get(one.state, ""))),
            line(f"{one.delivered:,} delivered, {one.lag_rows:,} wait"),
            word(one.detail),
        ]
        for one in status.routes[:_MOST_ROWS]
    ]
    return [Text(), title("Brokers and routes"), *grid(columns, rows, width)]


def _children(ledger: Ledger, width: int) -> list[Text]:
    columns = (
        Column("child", 0, 28), Column("lane", 1, 10), Column("applied", 2, 15, right=True),
        Column("rows", 3, 15, right=True), Column("gaps", 4, 11, right=True), Column("residual", 2, 10, right=True),
    )  # fmt: skip
    rows = [
        [
            word(one.child + (f" ({one.branch})" if one.branch else "")),
            line(Lane(one.lane).name.lower()),
            *(line(f"{n:,}") for n in (one.applied, one.rows, one.gap_rows)),
            line((f"{one.residual:,}", BAD if one.residual else GOOD)),
        ]
        for one in ledger.children
        if one.applied or one.residual
    ]
    return grid(columns, rows, width)
