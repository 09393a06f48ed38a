"""The wall clock as an operator sees it."""

from holdfast.intake.skew import SkewTable
from holdfast.kernel.clock import NS_PER_S
from holdfast.node.timekeeper import Timekeeper
from holdfast.web.answers import ClockSkew, ClockStatus, ClockStep


def clock_status(keeper: Timekeeper, skew: SkewTable, limit: int) -> ClockStatus:
    """The answer of `/api/v1/clock`."""
    estimated, worst = skew.worst(limit)
    return ClockStatus(
        trust=keeper.watch.trust.value,
        synchronised=keeper.synchronised,
        now_ns=keeper.clock.wall_ns(),
        boot_id=keeper.clock.boot_id(),
        floor_ns=keeper.watch.floor_ns,
        holds_sync=not keeper.may_sync(),
        steps=keeper.watch.steps,
        last_step=_last_step(keeper),
        estimated=estimated,
        devices=[ClockSkew(row.node, row.device, row.skew_s, row.messages) for row in worst],
    )


def _last_step(keeper: Timekeeper) -> ClockStep | None:
    step, move = keeper.watch.last_step, keeper.last_move
    if step is None:
        return None
    return ClockStep(
        was=step.was.value,
        trust=step.trust.value,
        step_s=step.offset_ns / NS_PER_S,
        before_ns=step.before_ns,
        after_ns=step.after_ns,
        rows={} if move is None else {f"lane{int(lane)}": n for lane, n in move.rows.items()},
        left_alone={} if move is None else {f"lane{int(lane)}": why for lane, why in move.skipped.items()},
    )
