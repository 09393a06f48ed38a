"""A node's models at work: rows of features in, readings out. Loop thread only; models run in serving's threads.

What may take long (reading cards, loading, trying a model in a process of its own) is done in threads; readings never
wait for it. A deployment whose model can't be loaded has its fallbacks, and loading is tried again.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.inference.cache import ModelCache
from holdfast.inference.runtimes.port import Options
from holdfast.inference.serving.ports import Assignment, ByRule, Deployment, Last, Smaller, Step
from holdfast.inference.serving.service import Serving
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.store import Entry, ModelStore
from holdfast.inference.trials import Trials
from holdfast.kernel.errors import HoldfastError
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Results
from holdfast.node.models.happenings import ModelAtWork, ModelUnusable
from holdfast.node.models.measuring import measure_models
from holdfast.node.models.planning import FOLDER, Work
from holdfast.node.models.recording import Recorder
from holdfast.node.models.scorers import Loaded, Unloaded
from holdfast.node.models.settings import Fallback

if TYPE_CHECKING:
    from holdfast.node.node import Node

RETRY_S = 60.0
"""Between tries of a model that couldn't be loaded."""
Scorers = dict[str, Loaded | Unloaded]


class Models:
    """See the module."""

    def __init__(self, node: "Node") -> None:
        """Load nothing yet."""
        settings = node.plan.settings.models
        assert settings is not None  # noqa: S101  # made for nodes with models only
        self._plan, self._intake, self.telemetry = node.plan, node.intake, node.telemetry
        self._clock = node.clock
        self.store = ModelStore(node.plan.data / FOLDER)
        self.cache = ModelCache(settings.memory, Trials(self.store.verdicts), node.clock)
        self._options = Options(threads=settings.threads)
        self.works = {work.name: work for work in node.plan.works}
        self._recorders = {
            name: Recorder(node.journal.catalogue, name, work.settings.record) for name, work in self.works.items()
        }
        self.serving = Serving(
            ServingSettings(workers=settings.workers),
            node.clock,
            tell=self._told,
            emit=node.telemetry.emit,
            release=self._release,
        )
        self._scorers: Scorers = {}
        self._to: dict[str, Sequence[Assignment]] = {}
        self.too_early = 0
        """Rows that came before their model was loaded."""
        node.intake.on_features(self._rows)
        measure_models(self, node.telemetry)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs with the node, by name."""
        yield "models", self._keep_loaded()

    async def stop(self, deadline_s: float) -> None:
        """Score what waits, then let go of the models."""
        await self.serving.stop(deadline_s)
        for scorer in self._scorers.values():
            scorer.release()

    async def _keep_loaded(self) -> None:
        await self._load()
        while True:
            await asyncio.sleep(RETRY_S)
            if any(isinstance(one, Unloaded) for one in self._scorers.values()):
                await self._load()

    async def _load(self) -> None:
        scorers: Scorers = {}
        for work in self.works.values():
            for ref in _models_of(work):
                if ref not in scorers:
                    scorers[ref] = await self._scorer(work, ref)
        self._scorers = scorers
        works = [work for work in self.works.values() if work.settings.model in scorers]
        self._to = {work.name: [Assignment(work.name, "active", work.settings.model)] for work in works}
        self.serving.adopt([self._deployment(work) for work in works], scorers)

    async def _scorer(self, work: Work, ref: str) -> Loaded | Unloaded:
        known = self._scorers.get(ref)
        if isinstance(known, Loaded):
            return known
        try:
            return await self._loaded(work, await asyncio.to_thread(self.store.resolve, ref))
        except HoldfastError as error:
            if known is None or str(known.error) != str(error):
                hint = str(getattr(error, "hint", ""))
                self.telemetry.emit(ModelUnusable(work.name, ref, str(error), hint))
            assert work.card is not None  # noqa: S101  # it wouldn't be planned
            return Unloaded(work.card, error)

    async def _loaded(self, work: Work, entry: Entry) -> Loaded:
        held = await self.cache.held(entry.folder, self._options, trusted=entry.trusted)
        model = held.model
        self.telemetry.emit(
            ModelAtWork(
                deployment=work.name,
                model=model.card.model,
                version=model.card.version,
                role="active",
                provider=model.provider,
                memory_bytes=model.memory_bytes,
                load_ms=round(1000 * model.load_s, 1),
            )
        )
        return Loaded(held)

    def _deployment(self, work: Work) -> Deployment:
        steps = [step for one in work.settings.fallback if (step := _step(work, one)) is not None]
        return Deployment(work.name, [("active", work.settings.model)], work.budget_s, steps)

    def _rows(self, rows: FeatureRows) -> None:
        """Features of readings that came just now."""
        to = self._to.get(rows.deployment)
        if to is None:
            self.too_early += len(rows)
        else:
            self.serving.offer(rows, to)

    def _told(self, results: Results) -> None:
        """What models said."""
        if results.role != "shadow":
            batch = self._recorders[results.deployment].batch(results)
            if len(batch):
                self._intake.made(batch)

    def _release(self, scorer: Any) -> None:
        scorer.release()


def _models_of(work: Work) -> Iterator[str]:
    """What a deployment may ask."""
    if work.is_here:
        yield work.settings.model
        yield from (one.model for one in work.settings.fallback if isinstance(one, Fallback) and one.model)


def _step(work: Work, one: str | Fallback) -> Step | None:
    if isinstance(one, str):
        return Last()
    if one.model is not None:
        return Smaller(one.model)
    rule = work.rule(one, [])
    return None if rule is None else ByRule(rule)
