"""Who may become what: the versions of a deployment, as one table and one immutable book.

A deployment has versions (`name@version`). At most one is active: it answers for devices that no canary answers for.
Canaries answer for a percentage of the devices, shadows see everything and are never heard, candidates and retired
versions aren't run at all. A command gives the next book or a refusal; whoever keeps books stores the new one before
anything acts on it. Every act is in the history with who, when and why.

    candidate ──shadow──▶ shadow ──canary──▶ canary ──promote──▶ active ──(another is promoted)──▶ retired
                               ╰──────────promote──────────────▶╯  ▲──────────rollback──────────────╯

Steps that skip the shadow, or take up again what was rolled back, ask for `force`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.inference.lifecycle.dealing import Slots, deal
from holdfast.inference.lifecycle.errors import ActRefused, VersionUnknown

MOST_VERSIONS, MOST_SHADOWS, MOST_CANARIES = 32, 4, 4
MOST_HISTORY, MOST_FORMER = 200, 8
AUTOMATIC = "holdfast"
"""Who did what nobody asked for."""
SETTINGS = "node.yaml"


class State(StrEnum):
    """What a version is to its deployment."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CANARY = "canary"
    ACTIVE = "active"
    RETIRED = "retired"


Do = Literal["add", "shadow", "canary", "promote", "rollback", "retire"]
_S = State
NEXT: Mapping[State, Mapping[Do, State]] = {
    _S.CANDIDATE: {"shadow": _S.SHADOW, "canary": _S.CANARY, "promote": _S.ACTIVE, "retire": _S.RETIRED},
    _S.SHADOW: {"canary": _S.CANARY, "promote": _S.ACTIVE, "retire": _S.RETIRED},
    _S.CANARY: {"shadow": _S.SHADOW, "canary": _S.CANARY, "promote": _S.ACTIVE, "retire": _S.RETIRED},
    _S.ACTIVE: {},
    _S.RETIRED: {"shadow": _S.SHADOW, "canary": _S.CANARY, "promote": _S.ACTIVE},
}
"""Of acts about one version. `add` makes a candidate, `rollback` is about the deployment; both stand below."""
UNTRIED: frozenset[tuple[State, Do]] = frozenset(
    (state, do) for state in (_S.CANDIDATE, _S.RETIRED) for do in ("canary", "promote")
)
"""Steps into acting that ask for force of a version that never ran in shadow."""


class Version(Struct, frozen=True):
    """One version as it stands. mark: why it needs force to act again, as in `rolled back`."""

    ref: str
    state: State
    since_ns: int
    percent: float = 0.0
    shadowed: bool = False
    mark: str = ""


class Act(Struct, frozen=True):
    """What was done: who, when, why. before, after: of `version`, empty = it wasn't there."""

    at_ns: int
    by: str
    do: Do
    version: str
    before: str
    after: str
    percent: float = 0.0
    why: str = ""
    forced: bool = False


class Command(Struct, frozen=True):
    """What somebody wants. version: empty for a `rollback` to whatever was before."""

    do: Do
    version: str = ""
    percent: float = 0.0
    by: str = ""
    why: str = ""
    force: bool = False


class Book(Struct, frozen=True):
    """One deployment. former: those that were active before, the latest last; slots: see `dealing`.

    configured: what node.yaml said last: a change there is a command, but what it has said already isn't one
    Always: at most one is active; nothing but active and canaries has slots; percents add up to at most 100.
    """

    deployment: str
    versions: tuple[Version, ...] = ()
    former: tuple[str, ...] = ()
    slots: Slots = ()
    history: tuple[Act, ...] = ()
    configured: str = ""

    def find(self, ref: str) -> Version:
        """One version.

        Raises:
            VersionUnknown: when there is none.
        """
        for one in self.versions:
            if one.ref == ref:
                return one
        known = ", ".join(one.ref for one in self.versions) or "none yet"
        raise VersionUnknown(self.deployment, ref, known)

    def has(self, ref: str) -> bool:
        """Whether it's one of this deployment's."""
        return any(one.ref == ref for one in self.versions)

    def of(self, state: State) -> list[Version]:
        """Those in a state."""
        return [one for one in self.versions if one.state is state]

    @property
    def active(self) -> str:
        """The active version; empty = none."""
        return next((one.ref for one in self.versions if one.state is State.ACTIVE), "")


def apply(book: Book, wish: Command, now_ns: int) -> Book:
    """The book after a command.

    Raises:
        VersionUnknown, ActRefused: when it can't be.
    """
    match wish.do:
        case "add":
            return _add(book, wish, now_ns)
        case "rollback":
            return _rollback(book, wish, now_ns)
        case _:
            return _move(book, wish, now_ns)


def declare(book: Book, active: str, shadow: str, canary: tuple[str, float], now_ns: int) -> Book:
    """What node.yaml says of a deployment: it's a command when it says something new, and else nothing.

    So a rollback outlives a restart although the file still names the version that was rolled back.
    """
    said = f"{active} {shadow or '-'} {canary[0] or '-'} {canary[1]:g}"
    if said == book.configured:
        return book
    before, book = book, replace(book, configured=said)
    wishes = [Command("promote", active)] if book.active != active else []
    wishes += [Command("shadow", shadow)] if shadow else []
    wishes += [Command("canary", canary[0], canary[1])] if canary[0] else []
    for one in wishes:
        book = _declared(book, one, now_ns)
    named = set(before.configured.split()[1:3]) - {active, shadow, canary[0]}
    for old in book.versions:  # what the file named as shadow or canary and doesn't any more
        if old.ref in named and old.state in (State.SHADOW, State.CANARY):
            book = apply(book, Command("retire", old.ref, by=SETTINGS, why="node.yaml names it no more"), now_ns)
    return book


def _declared(book: Book, wish: Command, now_ns: int) -> Book:
    if not book.has(wish.version):
        book = apply(book, Command("add", wish.version, by=SETTINGS), now_ns)
    found = book.find(wish.version)
    after = NEXT[found.state].get(wish.do)
    if after is None or (after is found.state and found.percent == wish.percent):
        return book
    return apply(book, replace(wish, by=SETTINGS, why="node.yaml says so", force=True), now_ns)


def _add(book: Book, wish: Command, now_ns: int) -> Book:
    if not wish.version or len(wish.version) > 200 or not wish.version.isprintable() or " " in wish.version:
        raise ActRefused(f"{wish.version[:80]!r} names no version", "as in pump-anomaly@2.0.0")
    if book.has(wish.version):
        raise ActRefused(f"{wish.version} is there already: {book.find(wish.version).state}")
    if len(book.versions) >= MOST_VERSIONS:
        # the one that was retired longest ago goes, unless it may be wanted back
        gone = [one for one in book.of(State.RETIRED) if one.ref not in book.former[-1:]]
        if not gone:
            raise ActRefused(f"{book.deployment} has {MOST_VERSIONS} versions", "retire one that isn't needed")
        oldest = min(gone, key=lambda one: one.since_ns)
        book = replace(
            book,
            versions=tuple(one for one in book.versions if one.ref != oldest.ref),
            former=tuple(ref for ref in book.former if ref != oldest.ref),
        )
    new = Version(wish.version, State.CANDIDATE, now_ns)
    return _noted(replace(book, versions=(*book.versions, new)), wish, "", State.CANDIDATE, now_ns)


def _move(book: Book, wish: Command, now_ns: int) -> Book:
    found = book.find(wish.version)
    after = NEXT[found.state].get(wish.do)
    if after is None:
        raise ActRefused(*_why_not(found, wish.do))
    _demand_force(found, wish)
    if after is State.SHADOW and len(book.of(after)) >= MOST_SHADOWS:
        raise ActRefused(f"{MOST_SHADOWS} versions run in shadow already", "retire one")
    if after is State.CANARY:
        _demand_room(book, wish)
    changed = replace(
        found,
        state=after,
        since_ns=now_ns,
        percent=wish.percent if after is State.CANARY else 0.0,
        shadowed=found.shadowed or after is State.SHADOW,
        mark="" if wish.force else found.mark,
    )
    if after is State.ACTIVE:
        book = _stepping_down(book, now_ns)
    book = _put(book, changed)
    if after is State.ACTIVE:
        book = replace(book, former=tuple(ref for ref in book.former if ref != changed.ref))
    return _dealt(_noted(book, wish, found.state, after, now_ns))


def _why_not(found: Version, do: Do) -> tuple[str, str]:
    if found.state is State.ACTIVE:
        hint = "promote another version, or `rollback` to the one before"
        return f"{found.ref} is active" + ("" if do == "promote" else f": it can't be told to {do}"), hint
    return f"{found.ref} is {found.state}: it can't be told to {do}", f"it can: {', '.join(NEXT[found.state])}"


def _demand_force(found: Version, wish: Command) -> None:
    if wish.force or wish.do not in ("canary", "promote") or found.state is State.CANARY:
        return
    if found.mark:
        raise ActRefused(f"{found.ref} was taken back: {found.mark}", "--force if it should act all the same")
    if not found.shadowed and (found.state, wish.do) in UNTRIED:
        hint = f"`shadow {found.ref}` first and look at its report, or --force"
        raise ActRefused(f"{found.ref} never ran in shadow", hint)


def _demand_room(book: Book, wish: Command) -> None:
    others = [one for one in book.of(State.CANARY) if one.ref != wish.version]
    room = 100.0 - sum(one.percent for one in others)
    if not book.active:
        raise ActRefused("no version is active", "promote one first: a canary is a part of something")
    if not 0 < wish.percent <= room:  # NaN, too
        raise ActRefused(f"{wish.percent:g} % is not allowed", f"above 0, at most {room:g}: the rest is taken")
    if len(others) >= MOST_CANARIES:
        raise ActRefused(f"{MOST_CANARIES} canaries run already", "retire one")


def _rollback(book: Book, wish: Command, now_ns: int) -> Book:
    canaries = book.of(State.CANARY)
    if wish.version or not canaries:
        return _back_to_former(book, wish, now_ns)
    # the latest that was let act is taken back first; typed again, the former active version returns
    for one in canaries:
        back = replace(one, state=State.RETIRED, since_ns=now_ns, percent=0.0, mark=wish.why or "rolled back")
        book = _noted(_put(book, back), replace(wish, version=one.ref), one.state, back.state, now_ns)
    return _dealt(book)


def _back_to_former(book: Book, wish: Command, now_ns: int) -> Book:
    target = wish.version or next((ref for ref in reversed(book.former) if book.has(ref)), "")
    if not target:
        raise ActRefused(f"{book.deployment} had no other active version", "promote one")
    found = book.find(target)
    if target not in book.former:
        were = ", ".join(book.former) or "none"
        raise ActRefused(f"{target} was never active before", f"those that were: {were}; or `promote` it")
    for one in book.of(State.CANARY):
        book = _put(book, replace(one, state=State.RETIRED, since_ns=now_ns, percent=0.0, mark="rolled back"))
    gone = book.active
    if gone:
        left = book.find(gone)
        mark = wish.why or "rolled back"
        book = _put(book, replace(left, state=State.RETIRED, since_ns=now_ns, mark=mark))
    back = replace(found, state=State.ACTIVE, since_ns=now_ns, percent=0.0, mark="")
    former = book.former[: book.former.index(target)]
    book = replace(_put(book, back), former=former)
    return _dealt(_noted(book, replace(wish, version=target), found.state, State.ACTIVE, now_ns))


def _stepping_down(book: Book, now_ns: int) -> Book:
    gone = book.active
    if not gone:
        return book
    book = _put(book, replace(book.find(gone), state=State.RETIRED, since_ns=now_ns))
    kept = tuple(ref for ref in book.former if ref != gone)
    return replace(book, former=(*kept, gone)[-MOST_FORMER:])


def _put(book: Book, changed: Version) -> Book:
    return replace(book, versions=tuple(changed if one.ref == changed.ref else one for one in book.versions))


def _noted(book: Book, wish: Command, before: str, after: str, now_ns: int) -> Book:
    by, why = wish.by[:100] or AUTOMATIC, wish.why[:500]
    act = Act(now_ns, by, wish.do, wish.version, str(before), str(after), wish.percent, why, wish.force)
    return replace(book, history=(*book.history, act)[-MOST_HISTORY:])


def _dealt(book: Book) -> Book:
    shares = {one.ref: one.percent for one in book.of(State.CANARY)}
    return replace(book, slots=deal(book.slots, shares, book.active))
