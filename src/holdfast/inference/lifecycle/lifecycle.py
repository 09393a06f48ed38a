"""The life of one deployment: who answers for which rows, who runs beside, what drifts, what is done about it.

Pure: told of rows, results and labels, ticked about once a second, asked for a status. Order of a command: `act` gives
the next book, whoever keeps books stores it, `adopt` makes it so. What is done automatically is adopted at once, and
`unsaved` says that there's a book to store.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import zstandard
from msgspec.structs import replace
from numpy.typing import NDArray

from holdfast.inference.lifecycle import showing
from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.drift import keeping
from holdfast.inference.lifecycle.drift.bins import Baseline
from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.drift.monitor import Column, Monitor
from holdfast.inference.lifecycle.drift.watch import LONG, PSI
from holdfast.inference.lifecycle.errors import ActRefused
from holdfast.inference.lifecycle.guarding import Guard, Trip
from holdfast.inference.lifecycle.judging import Judges
from holdfast.inference.lifecycle.labels import Label, value_of
from holdfast.inference.lifecycle.pairing import Answers
from holdfast.inference.lifecycle.routing import Assignments, Router, Seats
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.states import AUTOMATIC, Book, Command, State, apply
from holdfast.inference.lifecycle.status import DeploymentRow, DeploymentStatus
from holdfast.model.features import UNUSABLE, FeatureRows
from holdfast.model.predictions import How, Results

Array = NDArray[Any]
MOST_ALARMS = 1_000
_VERSION = 1


class Lifecycle:
    """Of one deployment.

    features:  name and width of each column of its feature set, in order
    facts:     by version (`name@version`): what their cards say; the first version's classes are the deployment's
    baselines: of features and `prediction`, from the active version's card
    node:      this node's name: whose devices a label without a node is about
    """

    def __init__(
        self,
        deployment: str,
        features: Sequence[Column],
        facts: Mapping[str, Facts],
        settings: LifeSettings,
        random: np.random.Generator,
        baselines: Mapping[str, Baseline] | None = None,
        book: Book | None = None,
        node: str = "",
    ) -> None:
        settings.require()
        self.deployment, self.settings, self.node = deployment, settings, node
        self._facts = dict(facts)
        self.names = next((one.names for one in self._facts.values()), ())
        self.seats = Seats()
        self.book = book or Book(deployment)
        self.unsaved: Book | None = None
        """A book that was adopted automatically and isn't stored yet; set it to None once it is."""
        self._router = Router(deployment, settings.salt, self.seats, paired=settings.paired)
        self.judges = Judges(self.names, settings, random)
        self.monitor = Monitor(
            deployment, features, len(self.names), settings.drift, baselines or {}, self._place, random
        )
        self.guard = Guard(settings.limits)
        self.alarms: dict[tuple[str, str, str, str], Finding] = {}
        self._over: list[Finding] = []
        self._now_ns = 0
        self._errors: list[tuple[int, float, int]] = []
        self.adopt(self.book)

    def knows(self, version: str, facts: Facts) -> None:
        """What a version's card says, for one that comes later."""
        self._facts[version] = facts

    def _place(self, seat: int) -> tuple[str, str]:
        return self.seats.places[seat]

    def route(self, rows: FeatureRows) -> Assignments:
        """Who answers for these rows, and who runs along."""
        return self._router.route(rows, fallback=self.guard.fallen)

    def saw(self, rows: FeatureRows) -> None:
        """Rows of features came."""
        self.monitor.saw(self.seats.of(rows.places, rows.key), rows.ts, rows.values, rows.flags, self._now_ns)

    def told(self, results: Results) -> None:
        """A version answered; whatever its role was."""
        ref = f"{results.model}@{results.version}"
        parent = results.how == How.PARENT
        if parent.any():  # the parent's answer says nothing of this model
            results = results.take(~parent)
        usable = (results.flags & UNUSABLE) == 0
        if not usable.all():
            results = results.take(usable)
        if not len(results):
            return
        seat = self.seats.of(results.places, results.key)
        said = results.predictions
        failed = (results.how != How.MODEL) | ~np.isfinite(said.score)
        label = self._classes(ref, results)
        answers = Answers(seat, results.ts, said.score, label, results.latency, failed)
        if ref == self.book.active and results.role == "active":
            limit = self.settings.limits.latency_s
            late = int((results.latency > limit).sum()) if limit is not None else 0
            self.guard.count(self._now_ns, len(results), int(failed.sum()), late)
            fine = answers.take(~failed) if failed.any() else answers
            if len(fine):
                self.monitor.told(fine.seat, fine.ts, fine.score, fine.label, self._now_ns)
        self.judges.told(ref, results.role, answers)

    def _classes(self, ref: str, results: Results) -> Array:
        """Classes in this deployment's order, whatever order the version's card has."""
        facts = self._facts.get(ref, Facts(labels=tuple(results.labels)))
        said = facts.classes(results.predictions.score, results.predictions.label)
        if facts.names == self.names or not self.names:
            return said
        order = [self.names.index(one) if one in self.names else -1 for one in facts.names] + [-1]
        return np.array(order, np.int32)[np.where(said < 0, -1, said)]

    def labelled(self, label: Label) -> None:
        """Somebody knows better; joined with predictions on the next ticks.

        Raises:
            LabelInvalid: when the model can't say that.
        """
        value = value_of(label.label, self.names)
        self.judges.know(self.seats.seat((label.node or self.node, label.device)), label.start_ns, label.end_ns, value)

    def tick(self, now_ns: int) -> list[Finding]:
        """What was found; call about once a second with the wall clock."""
        self._now_ns = max(self._now_ns, now_ns)  # never back
        now_ns = self._now_ns
        for seat, ts, error in self.judges.tick():
            self.monitor.errors.add(seat, ts, error, now_ns)
            self._errors.append((now_ns, float(error.sum()), len(error)))
        self._errors = self._errors[-256:]
        found, self._over = [*self._over, *self.monitor.tick(now_ns)], []
        found += self._abort(now_ns) + self._guarded(now_ns)
        for one in found:
            if one.kind == "canary-aborted":
                continue  # it's over as it's said; the history has it
            if one.state == "raised" and len(self.alarms) < MOST_ALARMS:
                self.alarms[one.about] = one
            elif one.state == "cleared":
                self.alarms.pop(one.about, None)
        return found

    def error(self) -> tuple[float, int]:
        """Mean error against labels of late, and of how many rows: the newest joins that make up 100 rows."""
        total, rows = 0.0, 0
        for _, errors, n in reversed(self._errors):
            total, rows = total + errors, rows + n
            if rows >= max(100, self.settings.limits.least):
                break
        return (total / rows if rows else 0.0), rows

    def _abort(self, now_ns: int) -> list[Finding]:
        if not self.settings.limits.abort:
            return []
        found = []
        for ref, why in self.judges.worse():
            if self.book.find(ref).state is not State.CANARY:
                continue
            self._by_itself(Command("retire", ref, by=AUTOMATIC, why=f"worse: {why}"), now_ns)
            found.append(self._said("canary-aborted", ref, f"{ref} is no canary any more: it's worse; {why}", now_ns))
        return found

    def _guarded(self, now_ns: int) -> list[Finding]:
        if not self.book.active:
            return []
        former = next((ref for ref in reversed(self.book.former) if self.book.has(ref)), "")
        trip = self.guard.tick(now_ns, self.error(), self._drifted(), former)
        return [] if trip is None else [self._tripped(trip, former, now_ns)]

    def _drifted(self) -> float:
        """The largest alarmed PSI of the deployment as a whole, 0 = nothing is alarmed."""
        largest = 0.0
        for watch in (self.monitor.inputs, self.monitor.outputs):
            alarmed = watch.limits.alarmed[:, :, 0].any((0, 1))
            apart = watch.distance[LONG, PSI, 0][alarmed]
            largest = max(largest, float(np.nanmax(apart) ** 2) if np.isfinite(apart).any() else 0.0)
        return largest

    def _tripped(self, trip: Trip, former: str, now_ns: int) -> Finding:
        gone = self.book.active
        if trip.act == "return":
            return self._said("fallback", gone, f"{gone} is tried again: {trip.why}", now_ns, over=True)
        if trip.act == "former":
            self._by_itself(Command("rollback", former, by=AUTOMATIC, why=trip.why), now_ns)
            said = f"fell back from {gone} to {former}: {trip.why}"
        else:
            said = f"fell back from {gone} to its fallbacks: {trip.why}"
        self._errors.clear()
        found = self._said("fallback", gone, said, now_ns)
        return replace(found, statistic=trip.limit, value=trip.value, limit=trip.allowed, severity="critical")

    def _said(self, kind: Any, version: str, message: str, now_ns: int, *, over: bool = False) -> Finding:
        return Finding(
            kind=kind, deployment=self.deployment, version=version, since_ns=now_ns, at_ns=now_ns, message=message,
            state="cleared" if over else "raised", severity="info" if over else "warning",
        )  # fmt: skip

    def _by_itself(self, command: Command, now_ns: int) -> None:
        book = apply(self.book, command, now_ns)
        if command.do == "retire":
            marked = tuple(
                replace(one, mark="worse than the active version") if one.ref == command.version else one
                for one in book.versions
            )
            book = replace(book, versions=marked)
        self.adopt(book)
        self.unsaved = book

    def act(self, command: Command, now_ns: int, book: Book | None = None) -> Book:
        """The book after a command; nothing is so yet. book: what it follows, if not the one there is.

        Raises:
            VersionUnknown, ActRefused: when it can't be.
        """
        known = self._facts.get(command.version)
        if command.do != "add" and known is not None and self.names and set(known.names) - set(self.names):
            more = ", ".join(sorted(set(known.names) - set(self.names)))
            raise ActRefused(f"{command.version} says {more}, which {self.deployment} doesn't", "deploy it by itself")
        return apply(book or self.book, command, now_ns)

    def adopt(self, book: Book) -> None:
        """Do as this book says, from the next rows on."""
        changed = book.active != self.book.active
        self.book = book
        self._router.adopt(book)
        self.judges.adopt(book, self.seats.places)
        if changed or not self.monitor.version:
            self.monitor.another_version(book.active)
        if changed:
            self.guard.forget()
            self.guard.fallen = False
            self._errors.clear()
            over = [one for one in self.alarms.values() if one.kind not in ("drift", "data-quality")]
            self.alarms = {about: one for about, one in self.alarms.items() if one not in over}
            said = f"{self.book.active or 'nothing'} is active now"
            self._over += [replace(one, state="cleared", severity="info", message=said) for one in over]

    def relearn(self) -> None:
        """Take what comes from now on as the new normal, of everything."""
        for watch in (self.monitor.inputs, self.monitor.outputs):
            watch.relearn(np.arange(watch.used))

    def row(self) -> DeploymentRow:
        """In a list."""
        return showing.row(self)

    def status(self) -> DeploymentStatus:
        """All there is to say."""
        return showing.status(self)

    def snapshot(self) -> bytes:
        """What was learned, for `restore` after a restart; not the book, which is stored by itself."""
        for watch in (self.monitor.inputs, self.monitor.outputs):
            watch.flush(self._now_ns)
        kept = {
            "version": _VERSION,
            "active": self.book.active,
            "names": list(self.names),
            "places": self.seats.places,
            "inputs": keeping.keep(self.monitor.inputs),
            "outputs": keeping.keep(self.monitor.outputs),
            "errors": self.monitor.errors.keep(),
            "guard": self.guard.keep(),
            "comparisons": [one.keep() for one, _ in self.judges.comparisons.values()],
            "alarms": list(self.alarms.values()),
        }
        return zstandard.ZstdCompressor(3).compress(msgspec.msgpack.encode(kept))

    def restore(self, data: bytes) -> bool:
        """Go on from a snapshot; call it before any rows. False: it can't be used, and everything is learned anew."""
        try:
            kept = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data))
            if kept["version"] != _VERSION or kept["names"] != list(self.names) or self.seats.places:
                return False
            self._resume(kept)
        except (zstandard.ZstdError, msgspec.DecodeError, KeyError, TypeError, ValueError):
            return False
        return True

    def _resume(self, kept: dict[str, Any]) -> None:
        fits = keeping.restore(self.monitor.inputs, kept["inputs"])
        alarms = [msgspec.convert(one, Finding) for one in kept["alarms"]]
        if fits:
            for node, device in kept["places"]:
                self.seats.seat((node, device))
            self.alarms = {one.about: one for one in alarms}
            self.monitor.resumed()
        self.guard.restore(kept["guard"])
        if not fits or kept["active"] != self.book.active:
            return
        keeping.restore(self.monitor.outputs, kept["outputs"])
        self.monitor.resumed()
        self.monitor.errors.restore(kept["errors"])
        for one in kept["comparisons"]:
            if one["version"] in self.judges.comparisons and one["against"] == self.book.active:
                self.judges.comparisons[one["version"]][0].restore(one)
