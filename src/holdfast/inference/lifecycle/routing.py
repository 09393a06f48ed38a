"""Rows → which version answers for them, and which run along unheard. Sticky by device; kept per place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.dealing import SLOTS, expanded, slot_of
from holdfast.inference.lifecycle.states import Book, State
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Role

Array = NDArray[Any]
MOST_PLACES = 200_000
"""Told apart."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One version's rows. rows: shape (n,), bool; all: every one of them, for a quick way through."""

    version: str
    role: Role
    rows: Array
    all: bool


@dataclass(frozen=True, slots=True)
class Assignments:
    """acting: each row is in exactly one; shadows: beside, never heard.

    fallback: nothing acts: the deployment's chain of fallbacks answers for every row; shadows still run
    """

    acting: tuple[Assignment, ...]
    shadows: tuple[Assignment, ...] = ()
    fallback: bool = False


class Seats:
    """Places → small numbers that stay the same, vectorised.

    A batch's `places` may be the same growing list each time, or a new one: the former costs nothing. Beyond `most`
    all that are new share the last seat.
    """

    def __init__(self, most: int = MOST_PLACES) -> None:
        self._most = most
        self._of: dict[tuple[str, str], int] = {}
        self._last: Sequence[tuple[str, str]] = ()
        self._came: Sequence[tuple[str, str]] = ()
        self._seats = np.empty(0, np.int32)
        self.places: list[tuple[str, str]] = []

    def of(self, places: Sequence[tuple[str, str]], key: Array) -> Array:
        """Each row's seat, shape (n,), int32."""
        if places is self._last and len(places) == len(self._seats):
            return self._seats[key]
        if len(places) > 4 * len(key) and places is not self._last and places is not self._came:
            self._came = places  # once doesn't pay; whoever comes again is remembered whole
            used, at = np.unique(key, return_inverse=True)
            some: Array = np.array([self.seat(places[k]) for k in used], np.int32)[at]
            return some
        begin = len(self._seats) if places is self._last else 0
        new = [self.seat(one) for one in places[begin:]]
        self._seats, self._last = np.concatenate([self._seats[:begin], np.array(new, np.int32)]), places
        return self._seats[key]

    def seat(self, place: tuple[str, str]) -> int:
        """Of one place."""
        place = (place[0], place[1])
        found = self._of.get(place)
        if found is None:
            if len(self.places) >= self._most:
                return self._most - 1
            found = self._of[place] = len(self.places)
            self.places.append(place)
        return found

    def known(self, node: str, device: str) -> int:
        """A place's seat if it has one, else -1."""
        return self._of.get((node, device), -1)


class Router:
    """Of one deployment. Told of every new book; asked for every batch."""

    def __init__(self, deployment: str, salt: str, seats: Seats, *, paired: bool = True) -> None:
        self._deployment, self._salt, self._seats, self._paired = deployment, salt, seats, paired
        self._slots = np.empty(0, np.int32)  # by seat
        self._names: list[str] = []
        self._owner = np.zeros(SLOTS, np.int16)
        self._active = ""
        self._shadows: tuple[str, ...] = ()

    def adopt(self, book: Book) -> None:
        """Route as this book says."""
        owners = expanded(book.slots)
        self._names = list(dict.fromkeys(owners))
        index = {name: at for at, name in enumerate(self._names)}
        self._owner = np.array([index[name] for name in owners] or [0] * SLOTS, np.int16)
        self._active = book.active
        self._shadows = tuple(one.ref for one in book.of(State.SHADOW))

    def route(self, rows: FeatureRows, *, fallback: bool = False) -> Assignments:
        """Who answers for which rows."""
        n = len(rows)
        every = np.ones(n, bool)
        shadows = tuple(Assignment(ref, "shadow", every, all=True) for ref in self._shadows)
        if fallback or not self._active:
            return Assignments((), shadows, fallback=True)
        if len(self._names) == 1:
            return Assignments((Assignment(self._active, "active", every, all=True),), shadows)
        owner = self._owner[self._slots_of(self._seats.of(rows.places, rows.key))]
        acting = []
        for at, name in enumerate(self._names):
            mine = owner == at
            count = int(np.count_nonzero(mine))
            if count:
                role: Role = "active" if name == self._active else "canary"
                acting.append(Assignment(name, role, mine, all=count == n))
        if self._paired and any(one.role == "canary" for one in acting):
            beside = ~np.logical_or.reduce([one.rows for one in acting if one.role == "active"] or [~every])
            shadows += (Assignment(self._active, "shadow", beside, all=bool(beside.all())),)
        return Assignments(tuple(acting), shadows)

    def owner_of(self, node: str, device: str) -> str:
        """Which version answers for a device; empty = none."""
        return self._names[self._owner[slot_of(self._deployment, self._salt, node, device)]] if self._names else ""

    def _slots_of(self, seats: Array) -> Array:
        known = self._seats.places
        if len(self._slots) < len(known):
            new = [slot_of(self._deployment, self._salt, *one) for one in known[len(self._slots) :]]
            self._slots = np.concatenate([self._slots, np.array(new, np.int32)])
        found: Array = self._slots[seats]
        return found
