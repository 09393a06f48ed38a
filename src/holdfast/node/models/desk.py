"""Deployments as the API tells of them: their lives, with what the node knows of how they run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from holdfast.inference.lifecycle.drift.shapes import shapes_of
from holdfast.inference.lifecycle.drift.watch import WATCHING
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.service import Lives
from holdfast.inference.lifecycle.states import Command
from holdfast.inference.lifecycle.status import ActDone, DeploymentRow, DeploymentStatus, LabelList
from holdfast.web.model_answers import (
    DriftState,
    FeatureSetTold,
    LabelCounts,
    ModelCache,
    ModelCard,
    ModelDetail,
    ModelList,
    ModelRow,
    Pace,
    ResultTold,
    Running,
)

_MOVED = ("drift", "prediction-drift", "error-drift")


@dataclass(frozen=True, slots=True)
class Sight:
    """How one deployment runs; see `ModelDetail`."""

    card: ModelCard | None = None
    features: FeatureSetTold | None = None
    running: Mapping[str, Running] = field(default_factory=dict)
    labels: LabelCounts = field(default_factory=LabelCounts)
    devices: Sequence[tuple[str, str]] = ()
    trend: Sequence[Pace] = ()
    results: Sequence[ResultTold] = ()


async def _admitted(deployment: str, ref: str) -> None:
    """Whatever is in the store may be a candidate."""
    del deployment, ref


class LifeDesk:
    """Implements `web.model_port.ModelsPort`. Loop thread only."""

    def __init__(
        self,
        lives: Lives,
        row: Callable[[DeploymentRow], ModelRow],
        sight: Callable[[str], Sight] = lambda _: Sight(),
        cache: Callable[[], ModelCache | None] = lambda: None,
        admit: Callable[[str, str], Awaitable[None]] = _admitted,
    ) -> None:
        """row: a deployment's row but for drift, which is told here; sight: the rest, by name.

        admit: looks a model up, verifies and tries it before it's a candidate; raises `InferenceError`
        """
        self._lives, self._row, self._sight, self._cache, self._admit = lives, row, sight, cache, admit

    async def listed(self) -> ModelList:
        """See `ModelsPort`."""
        return ModelList([self._told(life) for _, life in sorted(self._lives.lives.items())], self._cache())

    async def detail(self, deployment: str) -> ModelDetail:
        """See `ModelsPort`."""
        life, sight = self._lives.find(deployment), self._sight(deployment)
        status = life.status()
        lived = {name: getattr(status, name) for name in DeploymentStatus.__struct_fields__}
        return ModelDetail(
            **lived,
            row=self._told(life),
            card=sight.card,
            features=sight.features,
            running=dict(sight.running),
            shapes=shapes_of(life.monitor.inputs) | shapes_of(life.monitor.outputs),
            labels=sight.labels,
            devices=list(sight.devices[:1_000]),
            trend=list(sight.trend[-500:]),
            results=list(sight.results[:200]),
            former=life.book.former[-1] if life.book.former else "",
        )

    async def act(self, deployment: str, wish: Command) -> ActDone:
        """See `ModelsPort`."""
        life = self._lives.find(deployment)
        if wish.do == "add" and not life.book.has(wish.version):
            await self._admit(deployment, wish.version)
        return await self._lives.act(deployment, wish)

    async def relearn(self, deployment: str) -> object:
        """See `ModelsPort`."""
        return await self._lives.relearn(deployment)

    async def label(self, label: Label) -> Label:
        """See `ModelsPort`."""
        return await self._lives.label(label)

    async def labels(self, deployment: str, limit: int, below: int, device: str) -> LabelList:
        """See `ModelsPort`."""
        return await self._lives.labels(deployment, limit, below, device)

    def _told(self, life: Lifecycle) -> ModelRow:
        drift, words = _drift(life)
        return replace(self._row(life.row()), drift=drift, drift_words=words)


def _drift(life: Lifecycle) -> tuple[DriftState, str]:
    moved = sorted((one for one in life.alarms.values() if one.kind in _MOVED), key=lambda one: one.since_ns)
    if moved:
        more = f", and {len(moved) - 1} more" if len(moved) > 1 else ""
        return "drifting", f"{moved[0].message}{more}"
    if life.monitor.inputs.phase[0] < WATCHING:
        return "unknown", "it still learns what is usual"
    return "ok", "no feature has moved"
