"""Who the devices are: names on the wire, names in store, and what becomes of the messages. Pure.

A device has a number for good, one name under which its readings are stored, and one name on the wire (its hardware).
Usually both are the same. `rename` changes the first, `replace` the second. Old names stay with it: under `former` ones
older series lie, and hardware that was `replaced` may not write among the readings of its successor.

A change is computed whole, then stored, then taken over by `apply`: what isn't on disk doesn't count.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from holdfast.codecs.devices import NOT_FOLLOWED, Ruling
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.topics import name_fault
from holdfast.devices.errors import DeviceNameTaken, DeviceUnfit, DeviceUnknown
from holdfast.journal.devices import DeviceRow, NameRow, Role, Stored

_ROLES: tuple[Role, ...] = ("hardware", "former", "replaced")
_ON_THE_WIRE: tuple[Role, ...] = ("hardware", "replaced")
MOST_LABELS, LONGEST_LABEL, LONGEST_NOTE = 20, 64, 500


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be stored. row: as it shall be; names: all its other names; merged: a device that turned out the same.

    released: details of refused messages that may be decoded now, see `waiting_detail`
    """

    row: DeviceRow
    names: tuple[NameRow, ...]
    merged: DeviceRow | None = None
    released: tuple[str, ...] = ()


def waiting_detail(hardware: str) -> str:
    """Why a message of a device that isn't accepted was refused; the quarantine is searched by it."""
    return f"the device {hardware} is not accepted here"


class Roster:
    """Every device of one node. Changes on the loop's thread; `look` reads from any."""

    def __init__(self, stored: Stored, limit: int, *, listed: bool) -> None:
        """limit: devices followed; listed: only accepted ones are taken."""
        self._rows = {row.number: row for row in stored.devices}
        self._names: dict[int, tuple[NameRow, ...]] = {}
        self._by_name = {row.name: row.number for row in stored.devices}
        self._by_other: dict[tuple[str, Role], int] = {}
        self._limit, self._listed = limit, listed
        self._next = max(self._rows, default=-1) + 1
        for one in stored.names:
            self._names[one.device] = (*self._names.get(one.device, ()), one)
            self._by_other[one.name, one.role] = one.device
        self.found: list[DeviceRow] = []
        """Discovered and not taken yet by `take_found`."""
        self.has_overflown = False

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[DeviceRow]:
        return iter(list(self._rows.values()))

    @property
    def numbers(self) -> int:
        """One above the highest number that was ever given."""
        return self._next

    def row(self, number: int) -> DeviceRow | None:
        """A device by its number."""
        return self._rows.get(number)

    def names(self, number: int) -> tuple[NameRow, ...]:
        """Its other names."""
        return self._names.get(number, ())

    def hardware(self, number: int) -> str:
        """What it calls itself on the wire."""
        return next((n.name for n in self.names(number) if n.role == "hardware"), self._rows[number].name)

    def find(self, name: str) -> DeviceRow:
        """A device by the name its readings are stored under, or by any other of its names.

        Raises:
            DeviceUnknown: when nobody has that name.
        """
        number = self._by_name.get(name)
        for role in _ROLES:
            number = self._by_other.get((name, role)) if number is None else number
        if number is None:
            raise DeviceUnknown(f"there is no device {name[:80]!r} at this node")
        return self._rows[number]

    def named(self, name: str) -> DeviceRow | None:
        """The device whose readings are stored under a name now."""
        number = self._by_name.get(name)
        return None if number is None else self._rows[number]

    def number_of(self, stored: str) -> int:
        """The number of the device whose readings are, or once were, stored under a name; NOT_FOLLOWED = nobody's."""
        number = self._by_name.get(stored)
        return self._by_other.get((stored, "former"), NOT_FOLLOWED) if number is None else number

    def matching(self, patterns: Sequence[str]) -> list[DeviceRow]:
        """Devices by their names; `*` stands for any text.

        Raises:
            DeviceUnknown: when a name without `*` is nobody's.
        """
        found: dict[int, DeviceRow] = {}
        for pattern in patterns:
            fitting = [r for r in self if fnmatchcase(r.name, pattern)] if "*" in pattern else [self.find(pattern)]
            found.update((row.number, row) for row in fitting)
        return list(found.values())

    # Rulings

    def ruling(self, hardware: str, now_ns: int) -> Ruling:
        """What becomes of messages from `hardware`; one that's new is discovered by this."""
        if self._number(hardware) is None and not self._is_former(hardware):
            self._discover(hardware, now_ns)
        return self.look(hardware)

    def look(self, hardware: str) -> Ruling:
        """The same, discovering nobody. Any thread."""
        number = self._number(hardware)
        if number is None:
            return self._of_stranger(hardware)
        row = self._rows[number]
        if (hardware, "replaced") in self._by_other:
            why = f"{hardware} was replaced by {self.hardware(number)} as {row.name}"
            return Ruling(row.name, NOT_FOLLOWED, RejectReason.RETIRED, why)
        if hardware != self.hardware(number):
            why = f"{hardware} is the name of the device whose hardware is {self.hardware(number)}"
            return Ruling(row.name, NOT_FOLLOWED, RejectReason.NEW_DEVICE, why)
        if row.status == "retired":
            return Ruling(row.name, number, RejectReason.RETIRED, f"the device {row.name} is retired")
        if self._listed and row.status != "accepted":
            return Ruling(row.name, number, RejectReason.NEW_DEVICE, waiting_detail(hardware))
        return Ruling(row.name, number)

    def _number(self, hardware: str) -> int | None:
        for role in _ON_THE_WIRE:
            number = self._by_other.get((hardware, role))
            if number is not None:
                return number
        return self._by_name.get(hardware)

    def _is_former(self, hardware: str) -> bool:
        return (hardware, "former") in self._by_other

    def _of_stranger(self, hardware: str) -> Ruling:
        former = self._by_other.get((hardware, "former"))
        if former is not None:  # its old series are another device's
            why = f"series under {hardware} are those of the device that is now {self._rows[former].name}"
            return Ruling(hardware, NOT_FOLLOWED, RejectReason.NEW_DEVICE, why)
        if self._listed:
            return Ruling(hardware, NOT_FOLLOWED, RejectReason.NEW_DEVICE, waiting_detail(hardware))
        return Ruling(hardware)

    def _discover(self, hardware: str, now_ns: int) -> None:
        if len(self._rows) >= self._limit:
            self.has_overflown = True
            return
        row = DeviceRow(self._next, hardware, "new", made_ns=now_ns)
        self.apply(Change(row, ()))
        self.found.append(row)

    def know(self, stored: str, now_ns: int) -> None:
        """There are series under this name: they are some device's."""
        if self.number_of(stored) == NOT_FOLLOWED and (stored, "hardware") not in self._by_other:
            self._discover(stored, now_ns)

    def take_found(self) -> list[DeviceRow]:
        """Devices discovered since the last call, as they are now."""
        found, self.found = self.found, []
        return [self._rows[row.number] for row in found if row.number in self._rows]

    # Changes

    def accept(self, name: str, now_ns: int) -> Change:
        """Its messages are taken. One that was never seen may be named in advance.

        Raises:
            DeviceUnfit: when the name can't be a device's.
        """
        try:
            row = self.find(name)
        except DeviceUnknown:
            self._require_sane(name)
            row = DeviceRow(self._next, name, "new", made_ns=now_ns)
        details: tuple[str, ...] = (waiting_detail(self.hardware(row.number) if row.number in self._rows else name),)
        if row.status == "retired":
            details = (*details, f"the device {row.name} is retired")
        return Change(replace(row, status="accepted"), self.names(row.number), released=details)

    def retire(self, name: str) -> Change:
        """Its messages are refused from now on; what was stored stays."""
        row = self.find(name)
        return Change(replace(row, status="retired"), self.names(row.number))

    def describe(self, name: str, labels: Sequence[str] | None, note: str | None) -> Change:
        """Set its labels and its note; None = as they are.

        Raises:
            DeviceUnfit: when there are too many, or they are too long.
        """
        row = self.find(name)
        if labels is not None:
            if len(labels) > MOST_LABELS or any(not 0 < len(one) <= LONGEST_LABEL for one in labels):
                raise DeviceUnfit("too many labels, or one is too long", f"{MOST_LABELS} of {LONGEST_LABEL} characters")
            row = replace(row, labels=tuple(sorted(set(labels))))
        if note is not None:
            if len(note) > LONGEST_NOTE:
                raise DeviceUnfit("the note is too long", f"at most {LONGEST_NOTE} characters")
            row = replace(row, note=note)
        return Change(row, self.names(row.number))

    def rename(self, name: str, to: str, now_ns: int) -> Change:
        """The same device; from now on its readings are stored under another name.

        Raises:
            DeviceUnknown, DeviceNameTaken, DeviceUnfit: when it can't be.
        """
        row = self.find(name)
        self._require_sane(to)
        if to == row.name:
            raise DeviceUnfit(f"the device is called {to} already")
        for owner in self._owners(to):
            if owner != row.number:
                hint = f"is it a spare part for it? `holdfast devices replace {self._rows[owner].name} --by {row.name}`"
                raise DeviceNameTaken(f"{to} is a name of the device {self._rows[owner].name}", hint)
        kept = [one for one in self.names(row.number) if (one.name, one.role) != (to, "former")]
        if not any(one.role == "hardware" for one in kept):
            kept.append(NameRow(row.name, "hardware", row.number, row.made_ns))
        kept.append(NameRow(row.name, "former", row.number, now_ns))
        return Change(replace(row, name=to), tuple(kept))

    def replace(self, name: str, by: str, now_ns: int) -> Change:
        """Other hardware takes a device's place: its readings go on in the same series.

        Raises:
            DeviceUnknown, DeviceNameTaken, DeviceUnfit: when it can't be.
        """
        row = self.find(name)
        self._require_sane(by)
        was = self.hardware(row.number)
        if by == was:
            raise DeviceUnfit(f"{by} is the hardware of {row.name} already")
        merged = self._merging(row, by)
        kept = [
            one for one in self.names(row.number) if one.role != "hardware" and (one.name, one.role) != (by, "replaced")
        ]
        kept += [NameRow(was, "replaced", row.number, now_ns), NameRow(by, "hardware", row.number, now_ns)]
        if merged is not None:
            kept.append(NameRow(by, "former", row.number, now_ns))
        return Change(row, tuple(kept), merged, released=(waiting_detail(by),))

    def _merging(self, row: DeviceRow, by: str) -> DeviceRow | None:
        """The device that was found under the new hardware's name, when it has done nothing but be found."""
        for owner in self._owners(by):
            if owner == row.number:
                continue
            other = self._rows[owner]
            if other.name != by or self.names(owner) or other.status == "retired":
                raise DeviceNameTaken(
                    f"{by} is a name of the device {other.name}, which has a history of its own",
                    "a device that was renamed, replaced or retired can't take another's place",
                )
            return other
        return None

    def _owners(self, name: str) -> set[int]:
        found = {self._by_other.get((name, role)) for role in _ROLES}
        return {number for number in (*found, self._by_name.get(name)) if number is not None}

    def _require_sane(self, name: str) -> None:
        fault = name_fault(name)
        if fault:
            raise DeviceUnfit(fault)

    def rehearse(self, makers: Sequence["Maker"]) -> list[Change]:
        """Changes, each computed on what the one before would leave. Numbers they give are taken from here on.

        Raises:
            DeviceError: when one of them can't be; nothing has changed then.
        """
        trial = copy(self)
        for name in ("_rows", "_names", "_by_name", "_by_other", "found"):
            setattr(trial, name, copy(getattr(self, name)))
        changes = []
        for make in makers:
            changes.append(make(trial))
            trial.apply(changes[-1])
        self._next = trial.numbers
        return changes

    def apply(self, change: Change) -> int | None:
        """Take a change over, once it is stored; the number of a device that was found under the name meanwhile."""
        row = change.row
        if change.merged is not None:
            self._forget(change.merged.number)
        twin = self._by_name.get(row.name)
        if twin == row.number:
            twin = None
        if twin is not None:
            self._forget(twin)
        if row.number in self._rows:
            self._forget(row.number)
        self._next = max(self._next, row.number + 1)
        self._rows[row.number] = row
        self._by_name[row.name] = row.number
        self._names[row.number] = change.names
        for one in change.names:
            self._by_other[one.name, one.role] = row.number
        return twin

    def _forget(self, number: int) -> None:
        row = self._rows.pop(number)
        del self._by_name[row.name]
        for one in self._names.pop(number, ()):
            del self._by_other[one.name, one.role]


Maker = Callable[[Roster], Change]
"""Computes a change on a roster."""
