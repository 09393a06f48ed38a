"""Models at work as metrics."""

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from holdfast.inference.serving.images.status import STATES as CAMERA_STATES
from holdfast.inference.serving.images.status import ImageStatus
from holdfast.inference.serving.status import PostStatus, State
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows, state_of

if TYPE_CHECKING:
    from holdfast.node.models.service import Models

_LABELS = ("deployment", "model", "version", "role")
_COUNTS: tuple[tuple[str, str, Callable[[PostStatus], float]], ...] = (
    ("model_rows_scored", "Rows that the model scored.", lambda one: one.scored),
    ("model_rows_skipped", "Rows passed over for a newer one of their device.", lambda one: one.skipped),
    ("model_rows_unusable", "Rows not scored for a bad or missing input.", lambda one: one.unusable),
    ("model_rows_unanswered", "Rows that neither the model nor a fallback answered.", lambda one: one.unanswered),
    ("model_rows_late", "Rows answered after their budget.", lambda one: one.late),
    ("model_errors", "Runs of the model that failed.", lambda one: one.errors),
)
_GAUGES: tuple[tuple[str, str, Callable[[PostStatus], float]], ...] = (
    ("model_latency_budget_seconds", "What arrival to result may take.", lambda one: one.budget_ms / 1e3),
    ("model_batch_rows", "Rows of a run, on the average.", lambda one: one.batch),
    ("model_rows_waiting", "Rows that wait for the model.", lambda one: one.waiting),
)


def measure_models(models: "Models", telemetry: Telemetry) -> None:
    """Show the numbers of a node's models."""

    def posts() -> list[PostStatus]:
        return models.serving.status().posts

    def of(value: Callable[[PostStatus], float]) -> Callable[[], Rows]:
        return lambda: [(_place(one), float(value(one))) for one in posts()]

    for name, said, value in _COUNTS:
        telemetry.table("counter", name, said, _LABELS, of(value))
    for name, said, value in _GAUGES:
        telemetry.table("gauge", name, said, _LABELS, of(value))
    said = "From the readings' arrival to the result, of the last minute."
    telemetry.table("gauge", "model_latency_seconds", said, (*_LABELS, "quantile"), lambda: _latencies(posts()))
    said = "Rows that something else answered for the model: smaller, rule, last."
    telemetry.table("counter", "model_fallbacks", said, (*_LABELS, "how"), lambda: _fallbacks(posts()))
    said = "1 for how the model serves: ok, pressed, fallback, warming, stuck or broken."
    states = get_args(State)
    telemetry.table(
        "gauge", "model_state", said, (*_LABELS, "state"),
        lambda: [row for one in posts() for row in state_of(one.state, states, *_place(one))],
    )  # fmt: skip
    _measure_pictures(models, telemetry)
    said = "Rows that came before their model was loaded."
    telemetry.counter("model_rows_early", said, lambda: models.too_early)
    said = "Memory of loaded models."
    telemetry.gauge("model_cache_bytes", said, lambda: models.cache.figures.used)


def _measure_pictures(models: "Models", telemetry: Telemetry) -> None:
    def outcomes() -> Rows:
        return [
            ((one.deployment, outcome), float(count))
            for one in models.pictures.statuses()
            for outcome, count in (("taken", one.taken), ("refused", one.refused), ("unanswered", one.unanswered))
        ]

    said = "Pictures by what became of them: taken (the result is on disk), refused, unanswered (tried again)."
    telemetry.table("counter", "model_pictures", said, ("deployment", "outcome"), outcomes)
    waiting: tuple[tuple[str, str, Callable[[ImageStatus], int]], ...] = (
        ("model_pictures_waiting", "Pictures that came as messages and wait on disk.", lambda one: one.waiting),
        ("model_pictures_waiting_bytes", "Bytes of pictures that wait on disk.", lambda one: one.waiting_bytes),
    )
    for name, said, value in waiting:
        telemetry.table("gauge", name, said, ("deployment",), _waiting(models, value))

    def states() -> Rows:
        told = models.pictures.statuses()
        return [row for one in told for row in state_of(one.state, CAMERA_STATES, one.deployment)]

    said = "1 for how pictures are taken: ok, resting, folder_unusable or no_model."
    telemetry.table("gauge", "model_pictures_state", said, ("deployment", "state"), states)


def _waiting(models: "Models", value: Callable[[ImageStatus], int]) -> Callable[[], Rows]:
    return lambda: [((one.deployment,), float(value(one))) for one in models.pictures.statuses()]


def _place(one: PostStatus) -> tuple[str, ...]:
    return one.deployment, one.model, one.version, one.role


def _latencies(posts: list[PostStatus]) -> Rows:
    return [
        ((*_place(one), quantile), ms / 1e3)
        for one in posts
        for quantile, ms in (("0.5", one.p50_ms), ("0.99", one.p99_ms))
        if ms is not None
    ]


def _fallbacks(posts: list[PostStatus]) -> Rows:
    return [
        ((*_place(one), how), float(count))
        for one in posts
        for how, count in (("smaller", one.smaller), ("rule", one.rule), ("last", one.last))
    ]
