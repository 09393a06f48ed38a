"""How serving goes, as structs for the API, the CLI and the page."""

import math
from typing import Literal

from msgspec import Struct

from holdfast.inference.serving.health import Fitness
from holdfast.inference.serving.posts import Post
from holdfast.inference.serving.schedule import Schedule
from holdfast.model.predictions import Role

State = Literal["ok", "pressed", "fallback", "warming", "stuck", "broken"]
STATE: dict[str, State] = {state: state for state in ("ok", "pressed", "fallback", "warming", "stuck", "broken")}


class PostStatus(Struct, frozen=True):
    """A model's post in a deployment. Rows are counted since the start; what's "ms" is of the last minute.

    state:      stuck, broken: the model is left alone for `again_in_s`, or no thread is left; fallback: it can't keep
                the budget
    p50_ms:     from the readings' arrival to the results; null while there are none
    batch:      rows of a run, on the average; batch_limit: what the budget allows now
    run_ms:     what a run of such a batch takes
    smaller …:  rows that a fallback answered
    late:       rows told after the budget
    errors:     runs that failed; a model's posts share them
    answered_lately, fallen_lately: rows of the last ten minutes, and of these those that a fallback answered
    """

    deployment: str
    role: Role
    key: str
    model: str
    version: str
    state: State
    budget_ms: float
    p50_ms: float | None
    p99_ms: float | None
    rows_per_s: float
    batch: float
    batch_limit: int
    run_ms: float
    waiting: int
    offered: int
    scored: int
    smaller: int
    rule: int
    last: int
    skipped: int
    unusable: int
    unanswered: int
    nan: int
    late: int
    errors: int
    last_error: str
    again_in_s: float | None
    answered_lately: int = 0
    fallen_lately: int = 0


class ServingStatus(Struct, frozen=True):
    """All posts, and what they share.

    threads_lost: held by models that don't return
    unassigned:   rows for a deployment, role and model that aren't served
    untold:       results that couldn't be handed over
    """

    posts: list[PostStatus]
    threads: int
    threads_lost: int
    waiting_rows: int
    waiting_bytes: int
    unassigned: int
    untold: int
    rule_errors: int
    last_rule_error: str


def status_of(schedule: Schedule, now: float, untold: int) -> ServingStatus:
    """How it goes."""
    return ServingStatus(
        posts=[_post(post, now, has_threads=schedule.has_threads) for post in schedule.roster.posts.values()],
        threads=len(schedule.slots),
        threads_lost=len(schedule.zombies),
        waiting_rows=sum(len(p) for lane in schedule.roster.every() for p in (*lane.acting, *lane.shadowing)),
        waiting_bytes=schedule.roster.nbytes,
        unassigned=schedule.unassigned,
        untold=untold,
        rule_errors=schedule.answers.rule_errors,
        last_rule_error=schedule.answers.last_rule_error,
    )


def _post(post: Post, now: float, *, has_threads: bool) -> PostStatus:
    lane, counts = post.lane, post.counts
    p50, p99 = post.latencies.quantiles((0.5, 0.99), now)
    answered, fallen = post.shares.of(now)
    batch = lane.run_rows / lane.runs if lane.runs else 0.0
    return PostStatus(
        deployment=post.deployment.name,
        role=post.role,
        key=lane.key,
        model=lane.scorer.name,
        version=lane.scorer.version,
        state=_state(post) if has_threads else "stuck",
        budget_ms=1000 * post.budget_s,
        p50_ms=None if math.isnan(p50) else 1000 * p50,
        p99_ms=None if math.isnan(p99) else 1000 * p99,
        rows_per_s=post.latencies.rows_per_s(now),
        batch=batch,
        batch_limit=lane.limit,
        run_ms=1000 * lane.costs.of(round(batch)),
        waiting=sum(len(piece) for piece in (*lane.acting, *lane.shadowing) if piece.post is post),
        offered=counts.offered,
        scored=counts.scored,
        smaller=counts.smaller,
        rule=counts.rule,
        last=counts.last,
        skipped=counts.skipped,
        unusable=counts.unusable,
        unanswered=counts.unanswered,
        nan=counts.nan,
        late=counts.late,
        errors=lane.errors,
        last_error=lane.last_error,
        again_in_s=max(0.0, lane.health.until - now) if lane.health.is_out and lane.key else None,
        answered_lately=answered,
        fallen_lately=fallen,
    )


def _state(post: Post) -> State:
    if not post.lane.key:
        return "fallback"
    health = post.lane.health.state
    if health is Fitness.OK:
        return STATE[post.pressure.state] if post.acts else "ok"
    return STATE[health]
