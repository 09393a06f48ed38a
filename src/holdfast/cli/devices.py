"""`holdfast devices`: who sends to a node, how they are, and what is done about them."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import quote

import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import lasting, many, plain, size, table, when
from holdfast.devices.known import Known
from holdfast.journal.devices import gaps_of, stored
from holdfast.journal.journal import load_catalogue
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.node.devices import detail_of, row_of
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceDetail, DeviceGap, DeviceList, DeviceRow

_NAME, _GAPS = 40, 10
_PAGE = 1_000


def show_devices(where: Api | File, wanted: Mapping[str, str], clock: Clock, *, json: bool) -> int:
    """Print the wanted devices; returns 1 when one is silent or over its budget, else 0.

    Raises:
        Misused: when a stopped node is asked how its devices are.
    """
    found = _rows(where, wanted, clock)
    if json:
        typer.echo(as_json(found))
    else:
        note = [where.note()] if isinstance(where, File) else []
        typer.echo("\n".join([*note, *_listed(found, clock.wall_ns())]))
    return 1 if any(one.over_budget or (one.state == "silent" and one.status != "retired") for one in found) else 0


def _rows(where: Api | File, wanted: Mapping[str, str], clock: Clock) -> list[DeviceRow]:
    if isinstance(where, Api):
        found: list[DeviceRow] = []
        while True:
            page = where.get("devices", DeviceList, {**wanted, "limit": f"{_PAGE}", "offset": f"{len(found)}"})
            found += page.devices
            if not page.devices or len(found) >= page.total:
                return found
    if wanted["state"]:
        raise Misused("a stopped node can't tell how its devices are", "leave --state away, or start the node")
    known = _known(where, clock)
    rows = [row_of(known, row.number, where.plan.settings.node) for row in known.roster]
    return sorted((row for row in rows if _fits(row, wanted)), key=lambda row: row.name)


def _fits(row: DeviceRow, wanted: Mapping[str, str]) -> bool:
    if wanted["status"] and row.status != wanted["status"]:
        return False
    if wanted["label"] and wanted["label"] not in row.labels:
        return False
    return fnmatchcase(row.name, wanted["match"] or "*")


def _known(where: File, clock: Clock) -> Known:
    reader = where.reader()
    try:
        return Known(where.plan.settings.devices, stored(reader), clock.wall_ns(), clock.boottime_ns())
    finally:
        reader.close()


def _listed(found: Sequence[DeviceRow], now_ns: int) -> list[str]:
    if not found:
        return ["No device fits."]
    head = ["device", "node", "state", "status", "last seen", "per min", "messages", "refused 24 h", "held", "labels"]
    return table([head, *(_line(one, now_ns) for one in found)], (5, 6, 7, 8))


def _line(one: DeviceRow, now_ns: int) -> list[str]:
    is_own = bool(one.status)
    seen = lasting(max(0, now_ns - one.last_ns) / NS_PER_S) + " ago" if one.last_ns else "-"
    return [
        plain(one.name, _NAME),
        plain(one.node),
        one.state or "-",
        one.status or "-",
        seen,
        f"{one.rate:.3g}" if one.state and not one.told_ns else "-",
        f"{one.messages:,}" if is_own else "-",
        share(one) if is_own else "-",
        f"{one.held:,}" if is_own else "-",
        plain(", ".join(one.labels), _NAME),
    ]


def share(one: DeviceRow) -> str:
    """Share of refused messages, marked when it's over the budget."""
    if not one.day_refused:
        return "0 %"
    return f"{100 * one.day_refused / one.day_judged:.2g} %" + (" !" if one.over_budget else "")


def show_device(where: Api | File, name: str, node: str, clock: Clock, *, json: bool) -> int:
    """Print one device; node: of a node below, empty = this one.

    Raises:
        Misused: when a stopped node is asked of another node's device.
    """
    if node and isinstance(where, File):
        raise Misused("a stopped node can't tell of devices below it", "start the node, or ask the device's own node")
    found = (
        where.get(f"devices/{quote(name, safe='')}", DeviceDetail, {"node": node} if node else None)
        if isinstance(where, Api)
        else _read(where, name, clock)
    )
    if json:
        typer.echo(as_json(found))
    else:
        note = [where.note()] if isinstance(where, File) else []
        typer.echo("\n".join([*note, *_said(found, clock.wall_ns())]))
    return 0


def _read(where: File, name: str, clock: Clock) -> DeviceDetail:
    known = _known(where, clock)
    number = known.roster.find(name).number
    reader = where.reader()
    try:
        row = row_of(known, number, where.plan.settings.node)
        return detail_of(row, gaps_of(reader, number), load_catalogue(where.access))
    finally:
        reader.close()


def _said(found: DeviceDetail, now_ns: int) -> list[str]:
    one = found.device
    interval = "not known yet" if one.interval_s is None else lasting(one.interval_s)
    about = [
        ["device", plain(one.name)],
        ["node", plain(one.node)],
        ["state", " ".join(word for word in (one.state, one.status) if word) or "its own node knows"],
        *([["told", f"{when(one.told_ns)} by its own node; counts are as of then"]] if one.told_ns else []),
        ["labels", plain(", ".join(one.labels)) or "-"],
        ["note", plain(one.note) or "-"],
        ["hardware", plain(one.hardware) or "-"],
        ["was called", plain(", ".join(one.former)) or "-"],
        ["replaced", plain(", ".join(one.replaced)) or "-"],
        ["first seen", when(one.first_ns) if one.first_ns else "-"],
        [
            "last seen",
            f"{when(one.last_ns)}, {lasting(max(0, now_ns - one.last_ns) / NS_PER_S)} ago" if one.last_ns else "-",
        ],
        ["sends every", interval],
        ["clock", "-" if one.skew_s is None else f"{one.skew_s:+.3f} s against this node's"],
        [
            "messages",
            f"{one.messages:,} ({size(one.bytes)})",
        ],
        [
            "of these",
            f"{one.refused:,} refused, {one.held:,} held, {one.repeats:,} repeats",
        ],
        ["readings", f"{one.readings:,}"],
        ["refused, 24 h", f"{one.day_refused:,} of {one.day_judged:,}, {share(one)}"],
        *(["comes by", plain(f"{way.adapter}, {way.topic}")] for way in found.sources),
        *(["profile", f"{plain(each.name)} {each.version}, {each.total} fields"] for each in found.profiles),
    ]
    gaps = [_gap(gap) for gap in found.gaps[:_GAPS]]
    head = ["from", "to", "missing", "came later", "this node down"]
    return [
        *table(about),
        "",
        *(["Series:", *(f"  {plain(name)}" for name in found.series)] if found.series else ["No series."]),
        "",
        *([f"Gaps ({len(found.gaps)}), the latest first:", *table([head, *gaps], (2, 3, 4))] if gaps else ["No gaps."]),
    ]


def _gap(gap: DeviceGap) -> list[str]:
    down = lasting(gap.down_s) if gap.down_s else "-"
    return [when(gap.from_ns), when(gap.to_ns), f"{gap.missing:,}", f"{gap.filled:,}", down]


def change(where: Api | File, wanted: DeviceChange) -> int:
    """Have the running node do it.

    Raises:
        Misused: when the node can't be asked.
    """
    if isinstance(where, File):
        hint = "give it an `api:`" if where.is_running else "start the node; it decides about devices while it runs"
        raise Misused(f"{where.why}: devices are changed at a running node", hint)
    done = where.post("devices", wanted, DeviceChanged)
    names = ", ".join(map(plain, done.devices[:5])) + (" …" if len(done.devices) > 5 else "")
    lines = [f"{many(len(done.devices), 'device')} {_DONE[wanted.do]}: {names or '-'}"]
    if wanted.to:
        lines[0] += (
            f" ({plain(done.was or wanted.devices[0])} {'to' if wanted.do == 'rename' else 'by'} {plain(wanted.to)})"
        )
    if done.unheard:
        those = ", ".join(map(plain, done.unheard[:5])) + (" …" if len(done.unheard) > 5 else "")
        lines.append(f"Not heard so far, so accepted in advance: {those}. Is it written as the device calls itself?")
    if done.released:
        lines.append(f"{many(done.released, 'message')} of the quarantine became {many(done.readings, 'reading')}.")
    if done.still_refused:
        lines.append(f"{many(done.still_refused, 'message')} stay refused: see `holdfast quarantine list`.")
    typer.echo("\n".join(lines))
    return 0


_DONE = {"accept": "accepted", "retire": "retired", "describe": "described", "rename": "renamed", "replace": "replaced"}
