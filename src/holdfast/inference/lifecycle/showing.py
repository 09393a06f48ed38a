"""A lifecycle as its status. Reads only."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from holdfast.inference.lifecycle.dealing import SLOTS
from holdfast.inference.lifecycle.drift.counting import BAD, DOUBTED, PATCHED, ROWS
from holdfast.inference.lifecycle.drift.watch import KS, LONG, PSI, SHORT, Watch
from holdfast.inference.lifecycle.states import Book, State
from holdfast.inference.lifecycle.status import (
    ColumnStatus,
    DeploymentRow,
    DeploymentStatus,
    DriftStatus,
    Phase,
    VersionStatus,
)

if TYPE_CHECKING:
    from holdfast.inference.lifecycle.lifecycle import Lifecycle

MOST_COLUMNS = 200
_PHASES: tuple[Phase, ...] = ("laying bins", "learning", "watching", "settled")


def row(life: "Lifecycle") -> DeploymentRow:
    """In a list."""
    book = life.book
    canaries = {one.ref: one.percent for one in book.of(State.CANARY)}
    shadows = [one.ref for one in book.of(State.SHADOW)]
    return DeploymentRow(
        life.deployment, book.active, life.guard.fallen, shadows, canaries, len(life.alarms), life.judges.labelled
    )


def status(life: "Lifecycle") -> DeploymentStatus:
    """All there is to say."""
    book, places = life.book, life.seats.places
    compared = [life.judges.status(ref, places) for ref in (*life.judges.comparisons, *life.judges.past)]
    alarms = sorted(life.alarms.values(), key=lambda one: -one.at_ns)
    return DeploymentStatus(
        life.deployment, book.active, life.guard.fallen, life.guard.hold_ns, versions(life), alarms[:100],
        list(book.history[::-1]), _drift(life), [one for one in compared if one is not None], life.judges.split(),
        list(life.names),
    )  # fmt: skip


def versions(life: "Lifecycle", book: Book | None = None) -> list[VersionStatus]:
    """As they stand."""
    book = book or life.book
    share: dict[str, int] = {}
    for n, ref in book.slots:
        share[ref] = share.get(ref, 0) + n
    found = []
    for one in book.versions:
        # What was said before it was promoted is no verdict on it against itself.
        compared = None if one.state == State.ACTIVE else life.judges.status(one.ref, life.seats.places)
        verdict, words = ("", "") if compared is None else (compared.verdict, compared.words)
        percent = 100.0 * share.get(one.ref, 0) / SLOTS
        found.append(VersionStatus(one.ref, one.state, one.since_ns, percent, one.shadowed, one.mark, verdict, words))
    order = [State.ACTIVE, State.CANARY, State.SHADOW, State.CANDIDATE, State.RETIRED]
    return sorted(found, key=lambda one: (order.index(State(one.state)), -one.since_ns))


def _drift(life: "Lifecycle") -> DriftStatus:
    monitor, drift = life.monitor, life.settings.drift
    quality = monitor.inputs.quality(drift.panes)[0] if monitor.inputs.open >= 0 else np.zeros(4, int)
    chart = monitor.errors.charts[-1]
    error, rows = life.error()
    return DriftStatus(
        [*_columns(life, monitor.inputs, "input"), *_columns(life, monitor.outputs, "prediction")],
        monitor.inputs.used - 1,
        monitor.inputs.unwatched,
        monitor.inputs.late,
        int(quality[ROWS]),
        int(quality[BAD]),
        int(quality[PATCHED]),
        int(quality[DOUBTED]),
        life.judges.labelled,
        error if rows else None,
        chart.usual.mean if chart.usual.n else None,
        chart.alarmed,
        monitor.inputs.bytes + monitor.outputs.bytes + life.judges.recent.bytes,
        drift.window_s,
        drift.season_s,
    )


def _columns(life: "Lifecycle", watch: Watch, kind: Literal["input", "prediction"]) -> list[ColumnStatus]:
    limit = watch.limits.limit(LONG)
    alarmed = watch.limits.any()
    with np.errstate(invalid="ignore"):
        beyond = np.nan_to_num(watch.distance[LONG] / limit).max(0)
    seats = watch.seats()
    found = []
    for at, name in enumerate(watch.columns[:MOST_COLUMNS]):
        psi, ks = watch.distance[LONG, PSI, 0, at], watch.distance[LONG, KS, 0, at]
        short = watch.distance[SHORT, :, 0, at]
        single = beyond[1 : len(seats) + 1, at]
        worst = int(seats[int(np.argmax(single))]) if len(single) and single.max() > 0 else -1
        found.append(
            ColumnStatus(
                name, kind, _PHASES[int(watch.phase[0])], _known(psi**2), _known(limit[PSI, 0, at] ** 2), _known(ks),
                _known(limit[KS, 0, at]), _known(short[PSI] ** 2), _known(short[KS]), bool(alarmed[0, at]),
                [_known(x) for x in watch.spark[at]], int(alarmed[1:, at].sum()),
                life.seats.places[worst][1] if worst >= 0 else "",
            )
        )  # fmt: skip
    return found


def _known(x: Any) -> float | None:
    return float(f"{x:.6g}") if np.isfinite(x) else None
