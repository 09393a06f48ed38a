"""What people did and tried, as hash-chained rows (schema 0011): write-ahead, so that no change is without its row.

A change has two rows. ASKED is on disk before it is made, and says who, what and from where; the second names the
first (`of`) and says what came of it: DONE, FAILED, or UNKNOWN, which `settle` writes at a start for whatever the
node's end left open. What changes nothing, as a login or a refusal at the door, is a row of its own, without `step`.

A row that was changed, taken out or put in breaks the chain after it; so does the beginning being cut off, unless
there are KEEP rows. What a chain can't tell is its last rows being cut off: once a day its head is written into the
residency register, whose own head travels to the parent, and `witness` compares.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from holdfast.journal import register
from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

KEEP = 100_000
"""Rows; of more the oldest go, and the first that is left is taken as it is."""
KIND = "audit"
"""Of the rows in the residency register that hold this log's head."""
ASKED, DONE, FAILED, UNKNOWN = "asked", "done", "failed", "unknown"
LAST_ID: Final = 1 << 36
_SETTLED = "audit_settled"
"""In `meta`: up to where the last start has closed what was open."""
_SETTINGS = "audit_settings"
"""In `meta`: what the settings of the last start were."""
_PIECE = 1_000
_SELECT = "SELECT a.id, a.at_ns, a.body, a.chain, b.chain FROM audit_log a LEFT JOIN audit_log b ON b.id = a.id - 1 "
# A body that was tampered with may be no JSON; it must show, not hide the others.
_VALUE = "CASE WHEN json_valid(a.body) THEN json_extract(a.body, '$.{}') END"
_OF, _WHO, _WHAT = _VALUE.format("of"), _VALUE.format("who"), _VALUE.format("what")


@dataclass(frozen=True, slots=True)
class Line:
    """Something somebody did or tried: one row, or two.

    at_ns:    ns UTC
    body:     who, what, from where
    is_whole: do its rows follow from the ones before them?
    step:     DONE, FAILED, UNKNOWN; ASKED = not over yet; empty = a row of its own
    status:   what came of it, as HTTP would say; 0 = isn't known
    ended_ns: ns UTC, 0 = not over
    """

    id: int
    at_ns: int
    body: dict[str, Any]
    is_whole: bool
    step: str = ""
    status: int = 0
    ended_ns: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines. before: with a smaller id; who: only this person's; [since_ns, until_ns); what: GLOBs, any fits."""

    before: int = LAST_ID
    who: str = ""
    since_ns: int = 0
    until_ns: int = (1 << 63) - 1
    what: tuple[str, ...] = ()


class Row(NamedTuple):
    """A row as it's stored."""

    id: int
    at_ns: int
    body: str
    chain: bytes


class Head(NamedTuple):
    """The newest row; 0 = there is none."""

    id: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a check came. broken: the first row that doesn't follow from the one before it, 0 = none."""

    upto: Head
    broken: int = 0
    is_over: bool = False


def write(tx: Transaction, now_ns: int, body: dict[str, Any]) -> tuple[int, str]:
    """Add a row; returns its number and its chain, hex."""
    last = row(tx.db, "SELECT id, at_ns, chain FROM audit_log ORDER BY id DESC LIMIT 1")
    number, before = (int(last[0]) + 1, bytes(last[2])) if last else (1, register.GENESIS)
    if last and int(last[1]) // register.DAY_NS != now_ns // register.DAY_NS:
        register.write(tx, now_ns, KIND, {"rows": number - 1, "chain": before.hex()})
    text = msgspec.json.encode(body, order="sorted").decode()
    chain = _chain(before, number, now_ns, text)
    tx.db.execute("INSERT INTO audit_log VALUES (?, ?, ?, ?)", (number, now_ns, text, chain))
    tx.db.execute("DELETE FROM audit_log WHERE id <= ?", (number - KEEP,))
    return number, chain.hex()


def ask(tx: Transaction, now_ns: int, body: dict[str, Any]) -> tuple[int, str]:
    """The row of a change that is about to be made; it must be on disk before anything of it is."""
    return write(tx, now_ns, {**body, "step": ASKED})


def answer(tx: Transaction, now_ns: int, of: int, body: dict[str, Any], status: int) -> tuple[int, str]:
    """What came of the change that row `of` asked for. body: who and what, again."""
    step = DONE if 0 < status < 400 else FAILED if status else UNKNOWN
    return write(tx, now_ns, {**body, "of": of, "status": status, "step": step})


def settle(tx: Transaction, now_ns: int) -> int:
    """At a start, before anything is asked for: what the node's end left open becomes UNKNOWN; returns how many."""
    upto, newest = _settled(tx.db), head(tx.db).id
    after = upto if upto <= newest else 0  # rows were cut off; `witness` says so
    left: dict[int, dict[str, Any]] = {}
    while found := stored(tx.db, after, _PIECE):
        for one in found:
            body = _body(one.body)
            if body.get("step") == ASKED:
                left[one.id] = {name: body.get(name, "") for name in ("who", "what")}
            elif isinstance(body.get("of"), int):
                left.pop(body["of"], None)
        after = found[-1].id
    for number, body in left.items():
        answer(tx, now_ns, number, body, 0)
    tx.set_meta(_SETTLED, str(max(upto, head(tx.db).id)))
    return len(left)


def notice(tx: Transaction, now_ns: int, settings: Mapping[str, str]) -> list[str]:
    """At a start: which parts of node.yaml aren't as at the last; it's a row when some are. settings: digests."""
    text, before = msgspec.json.encode(settings, order="sorted").decode(), tx.meta(_SETTINGS)
    if text == before:
        return []
    tx.set_meta(_SETTINGS, text)
    if before is None:
        return []
    former = _body(before)
    parts = sorted(name for name in former.keys() | settings.keys() if former.get(name) != settings.get(name))
    write(tx, now_ns, {"who": "", "what": f"settings: {', '.join(parts)}"[:300], "status": 200, "via": "local"})
    return parts


def page(db: Connection, wanted: Wanted, limit: int) -> list[Line]:
    """Lines as wanted, newest first, each with what came of it."""
    what = msgspec.json.encode(wanted.what).decode()
    found = list(
        rows(
            db,
            f"{_SELECT}WHERE a.id < ? AND a.at_ns >= ? AND a.at_ns < ? AND (? = '' OR {_WHO} = ?) "  # noqa: S608  # fixed
            f"AND (? = '[]' OR EXISTS (SELECT 1 FROM json_each(?) AS one WHERE {_WHAT} GLOB one.value)) "
            f"AND {_OF} IS NULL ORDER BY a.id DESC LIMIT ?",
            (wanted.before, wanted.since_ns, wanted.until_ns, wanted.who, wanted.who, what, what, limit),
        )
    )
    oldest, lines = _oldest(db), list[Line]()
    asked = [number for number, _, text, *_ in found if _body(text).get("step") == ASKED]
    ends = _ends(db, asked, oldest)
    for number, at_ns, text, chain, former in found:
        body, is_whole = _body(text), _is_whole(number, at_ns, text, bytes(chain), former, oldest)
        end = ends.get(number)
        if end is not None:
            is_whole, step = is_whole and end.is_whole, str(end.body.get("step", ""))
            lines.append(Line(number, at_ns, body, is_whole, step, _status(end.body), end.at_ns))
        else:
            lines.append(Line(number, at_ns, body, is_whole, str(body.get("step", "")), _status(body)))
    return lines


def fits(one: Row, wanted: Wanted) -> bool:
    """Is this row, or what came of one that is, among the wanted? The second has who and what again, not the time."""
    body = _body(one.body)
    who, what = str(body.get("who", "")), str(body.get("what", ""))
    return (
        one.id < wanted.before
        and wanted.since_ns <= one.at_ns < wanted.until_ns
        and wanted.who in ("", who)
        and (not wanted.what or any(fnmatchcase(what, glob) for glob in wanted.what))
    )


def _ends(db: Connection, asked: list[int], oldest: int) -> dict[int, Line]:
    """What came of these. It's written soon after, so the search ends soon, but for what isn't over yet."""
    if not asked:
        return {}
    wanted = msgspec.json.encode(asked).decode()
    query = f"{_SELECT}WHERE a.id > ? AND {_OF} IN (SELECT value FROM json_each(?)) ORDER BY a.id LIMIT ?"  # noqa: S608  # fixed
    found: dict[int, Line] = {}
    for number, at_ns, text, chain, former in rows(db, query, (min(asked), wanted, len(asked))):
        body, is_whole = _body(text), _is_whole(number, at_ns, text, bytes(chain), former, oldest)
        found.setdefault(int(body["of"]), Line(number, at_ns, body, is_whole))
    return found


def head(db: Connection) -> Head:
    """The newest row."""
    found = row(db, "SELECT id, chain FROM audit_log ORDER BY id DESC LIMIT 1")
    return Head(int(found[0]), bytes(found[1])) if found else Head(0, register.GENESIS)


def stored(db: Connection, after: int, limit: int) -> list[Row]:
    """Rows as they're stored, oldest first, from the one after `after`."""
    query = "SELECT id, at_ns, body, chain FROM audit_log WHERE id > ? ORDER BY id LIMIT ?"
    return [Row(number, at_ns, text, bytes(chain)) for number, at_ns, text, chain in rows(db, query, (after, limit))]


def check(db: Connection, before: Checked | None = None, limit: int = _PIECE) -> Checked:
    """Go on with a check of the chain, a piece at a time, from the oldest row to the newest."""
    upto = None if before is None else before.upto
    oldest, newest = _oldest(db), head(db).id
    if upto is None and oldest > max(1, newest - KEEP + 1):
        return Checked(Head(oldest, b""), oldest, is_over=True)  # there were more, and nothing of ours drops them
    number = 0
    for number, at_ns, text, chain in stored(db, 0 if upto is None else upto.id, limit):
        if number == oldest:  # nothing is left to follow from, unless it's the very first
            fits = number > 1 or _chain(register.GENESIS, number, at_ns, text) == chain
        else:
            fits = upto is not None and number == upto.id + 1 and _chain(upto.chain, number, at_ns, text) == chain
        if not fits:
            return Checked(Head(number, chain), number, is_over=True)
        upto = Head(number, chain)
    return Checked(upto or Head(0, register.GENESIS), is_over=number in (0, newest))


def witness(db: Connection, seen: Iterable[Head] = ()) -> int:
    """The first row that isn't what the residency register, or who looked before, saw; 0 = all is as it was.

    This is what finds the newest rows cut off, or the whole log written anew.
    """
    oldest, newest, settled = _oldest(db), head(db).id, _settled(db)
    if settled > newest:
        return newest + 1
    for one in sorted({*_registered(db), *seen}):
        found = row(db, "SELECT chain FROM audit_log WHERE id = ?", (one.id,))
        if one.id >= max(oldest, 1) and (found is None or bytes(found[0]) != one.chain):
            return one.id
    return 0


def _settled(db: Connection) -> int:
    found = row(db, "SELECT value FROM meta WHERE key = ?", (_SETTLED,))
    return int(found[0]) if found and str(found[0]).isdigit() else 0


def _registered(db: Connection) -> Iterator[Head]:
    query = "SELECT body FROM residency_log WHERE kind = ? ORDER BY id DESC LIMIT 1"
    for (text,) in rows(db, query, (KIND,)):
        body = _body(text)
        number, chain = body.get("rows"), body.get("chain")
        if isinstance(number, int) and isinstance(chain, str):
            yield Head(number, bytes.fromhex(chain))


def broken_at(db: Connection) -> int:
    """The first row that was tampered with; 0 = the whole chain fits, and its end is there."""
    if row(db, "SELECT 1 FROM sqlite_master WHERE name = 'audit_log'") is None:
        return 0  # an older Holdfast's file, which has none
    found: Checked | None = None
    while found is None or not found.is_over:
        found = check(db, found)
    return found.broken or witness(db)


def _is_whole(number: int, at_ns: int, text: str, chain: bytes, former: bytes | None, oldest: int) -> bool:
    if former is None and number != 1:
        return number == oldest
    return _chain(bytes(former) if former is not None else register.GENESIS, number, at_ns, text) == chain


def _oldest(db: Connection) -> int:
    found = row(db, "SELECT min(id) FROM audit_log")
    return int(found[0] or 0) if found else 0


def _status(body: dict[str, Any]) -> int:
    found = body.get("status", 0)
    return found if isinstance(found, int) else 0


def _body(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": text[:200]}


def _chain(before: bytes, number: int, at_ns: int, body: str) -> bytes:
    return hashlib.sha256(b"\0".join((before, f"{number} {at_ns}".encode(), body.encode()))).digest()
