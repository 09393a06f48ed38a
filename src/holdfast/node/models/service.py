"""A node's models at work: rows of features in, readings out. Loop thread only; models run in serving's threads.

What may take long (reading cards, loading, trying a model in a process of its own) is done in threads; readings never
wait for it. A deployment whose model can't be loaded has its fallbacks, and loading is tried again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.inference.cache import ModelCache
from holdfast.inference.card import load_card
from holdfast.inference.errors import ModelRefused
from holdfast.inference.hybrid.asking import ParentLabel
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.service import Lives, running
from holdfast.inference.lifecycle.states import State
from holdfast.inference.runtimes.port import Options
from holdfast.inference.serving.ports import Assignment, ByRule, Deployment, Last, Smaller, Step
from holdfast.inference.serving.service import Serving
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.store import ModelStore
from holdfast.inference.trials import Trials
from holdfast.kernel.errors import HoldfastError
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Results, Role
from holdfast.node.hybrid import AnsweringBelow, AskingAbove
from holdfast.node.models.bigger import StoredBigger
from holdfast.node.models.coming import Coming
from holdfast.node.models.happenings import ModelsFailed
from holdfast.node.models.living import Shelves, configured, facts_of, fallbacks, life_of, misfit
from holdfast.node.models.loading import Loading
from holdfast.node.models.measuring import measure_models
from holdfast.node.models.newest import Newest
from holdfast.node.models.pictures import Pictures
from holdfast.node.models.planning import FOLDER, Work
from holdfast.node.models.recording import Recorder
from holdfast.node.models.scorers import Loaded
from holdfast.node.models.settings import Fallback
from holdfast.node.models.spending import Spending
from holdfast.node.models.troubles import troubles
from holdfast.node.models.verdicts import Verdicts

if TYPE_CHECKING:
    from holdfast.node.node import Node

RETRY_S = 60.0
"""Between tries of a model that couldn't be loaded."""
TICK_S = 1.0
LATE_S = 5.0
"""Between looks for models that weren't here at the start."""
KEEP_S = 600.0
"""Between writes of what monitors have learned."""
RUNS = 64_000_000
"""Bytes for what models need while they run, beside what they hold."""
NOBODY = ""
"""The key of what is no model: fallbacks answer."""
_ROLES: Mapping[State, Role] = {State.ACTIVE: "active", State.CANARY: "canary", State.SHADOW: "shadow"}


class Models:
    """See the module."""

    def __init__(self, node: "Node") -> None:
        """Load nothing yet."""
        settings = node.plan.settings.models
        assert settings is not None  # noqa: S101  # made for nodes with models only
        self.intake, self.telemetry, self.journal = node.intake, node.telemetry, node.journal
        self.clock = node.clock
        self.node = node.plan.settings.node
        self.store = ModelStore(node.plan.data / FOLDER)
        self.cache = ModelCache(settings.memory, Trials(self.store.verdicts), node.clock)
        self.shelves = Shelves(self.store)
        options = Options(settings.threads, settings.provider, together=2 * settings.memory + RUNS)
        self.loading = Loading(self.shelves, self.cache, options, node.telemetry)
        self.works = {work.name: work for work in node.plan.works}
        self.recorders = {
            name: Recorder(node.journal.catalogue, name, work.settings.record) for name, work in self.works.items()
        }
        self.newest = Newest()
        self.serving = Serving(
            ServingSettings(workers=settings.workers),
            node.clock,
            tell=self._told,
            emit=node.telemetry.emit,
            release=self._release,
        )
        self.lives = Lives(self._lives(), node.journal, node.clock, self.shelves.has, self._acted)
        self.verdicts = Verdicts(self.lives, node.journal.submit)
        self.label = self.verdicts.told
        """Somebody confirmed or rejected an alert of a model."""
        self.too_early = 0
        """Rows that came before their model was loaded."""
        self._served: frozenset[tuple[str, Role, str]] = frozenset()
        self._changed = asyncio.Event()
        self.is_up = False
        self.above, self.below = self._hybrid(node)
        self._rulebook = node.rulebook
        self.spending = Spending(node.rulebook.shares, node.telemetry.emit)
        self.coming = Coming(
            self.shelves, node.surroundings.artifacts.room, Trials(self.store.verdicts), node.telemetry
        )
        self._waiting = set[asyncio.Task[Any]]()
        self.pictures = Pictures(self, node)
        self.on_tick: Callable[[], None] = lambda: None
        node.intake.on_features(self.rows)
        measure_models(self, node.telemetry)

    def _lives(self) -> dict[str, Lifecycle]:
        random = np.random.default_rng()
        return {
            work.name: life_of(work, work.card, self.node, random)
            for work in self.works.values()
            if work.card is not None
        }

    def _hybrid(self, node: "Node") -> tuple[AskingAbove | None, AnsweringBelow | None]:
        asking = {name: work.settings.hybrid for name, work in self.works.items() if work.settings.hybrid is not None}
        has_parent = node.plan.settings.parent is not None
        above = AskingAbove(node, asking, self._from_above, self._label_from_above) if asking and has_parent else None
        if node.ingest is None:
            return above, None
        return above, AnsweringBelow(node, StoredBigger(self.shelves, self.cache, self.loading.options, node.clock))

    def largest_picture(self, topic: str) -> int:
        """Bytes of the largest that is taken on a topic; 0 = it's none for pictures."""
        return self.pictures.largest(topic)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs with the node, by name."""
        yield "models", self._run()
        for part in (self.above, self.below):
            if part is not None:
                yield from part.tasks()
        yield from self.pictures.tasks()

    async def stop(self, deadline_s: float) -> None:
        """Score what waits, keep what was learned, let go of the models."""
        await self.serving.stop(deadline_s)
        if self.is_up:
            await self.lives.keep()
        self.loading.release(self.loading.scorers.values())

    async def _run(self) -> None:
        """Whatever goes wrong with models, the node goes on: its readings matter more."""
        while True:
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001  # see above; it's told, and tried again
                self.telemetry.emit(ModelsFailed(error=f"{type(error).__name__}: {error}"[:500]))
            await asyncio.sleep(RETRY_S)

    async def _live(self) -> None:
        if not self.is_up:
            await self.lives.start({name: configured(self.works[name], self.shelves) for name in self.lives.lives})
        await self._take_up_late()
        await self._serve()
        self.is_up = True
        retry = keep = late = self.clock.monotonic()
        while True:
            await self._wait()
            now = self.clock.monotonic()
            if self._changed.is_set() or (self.loading.is_lacking and now - retry >= RETRY_S):
                retry = now
                await self._serve()
            if now - late >= LATE_S:
                late = now
                await self._take_up_late()
            await self._tick()
            self.spending.look(self.works, now)
            self.on_tick()
            if now - keep >= KEEP_S:
                keep = now
                await self.lives.keep()

    async def _take_up_late(self) -> None:
        """Deployments whose model wasn't here at the start and is now, from the parent or added by hand."""
        for name in [name for name in self.works if name not in self.lives.lives]:
            work = await self.coming.look(self.works[name])
            if work is None or work.card is None:
                continue
            self.works[name] = work
            life = life_of(work, work.card, self.node, np.random.default_rng())
            await self._rulebook.feed([one.line for one in self.works.values() if one.line is not None])
            await self.lives.begin(name, life, configured(work, self.shelves))

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), TICK_S)
        except TimeoutError:
            return

    async def _tick(self) -> None:
        await self.verdicts.tick()
        found = await self.lives.tick()
        if found:
            alarms = [one for life in self.lives.lives.values() for one in life.alarms.values()]
            now_ns = self.clock.wall_ns()
            self.intake.made(troubles(found, alarms, self.journal.catalogue, self.node, now_ns))

    async def fit(self, deployment: str, ref: str) -> None:
        """A version that is to be in a deployment: it's here, verified and tried, and takes what is computed there.

        Raises:
            InferenceError, SettingsInvalid: why not.
        """
        entry = await asyncio.to_thread(self.shelves.entry, ref)
        card = await asyncio.to_thread(load_card, entry.folder)
        if why := misfit(self.works[deployment], card):
            raise ModelRefused(entry.folder, why)
        (await self.cache.held(entry.folder, self.loading.options, trusted=entry.trusted)).release()
        self.lives.find(deployment).knows(ref, facts_of(card))

    def _acted(self, _life: Lifecycle) -> None:
        """A new book: other models may be wanted."""
        self._changed.set()

    async def _serve(self) -> None:
        """Load what the books want, and serve it."""
        self._changed.clear()
        wanted: dict[str, Work] = {}
        roles: dict[str, str] = {}
        for name, life in self.lives.lives.items():
            work = self.works[name]
            roles |= {one.ref: str(one.state) for one in life.book.versions}
            for ref in (*running(life.book), *fallbacks(work, self.shelves).values()):
                wanted.setdefault(ref, work)
        before = self.loading.scorers
        await self.loading.load(wanted, roles)
        for life in self.lives.lives.values():
            for ref in running(life.book):
                if (card := self.loading.card(ref)) is not None:
                    life.knows(ref, facts_of(card))
        deployments = [self._deployment(self.works[name], life) for name, life in self.lives.lives.items()]
        served = {key for one in deployments for _, key in one.serves}
        served |= {step.model for one in deployments for step in one.fallback if isinstance(step, Smaller)}
        scorers = {ref: one for ref, one in self.loading.scorers.items() if ref in served}
        self.serving.adopt(deployments, scorers)
        self._served = frozenset((one.name, role, key) for one in deployments for role, key in one.serves)
        gone = [one for ref, one in before.items() if one is not self.loading.scorers.get(ref) and ref not in served]
        self.loading.release(gone)

    def _deployment(self, work: Work, life: Lifecycle) -> Deployment:
        serves: list[tuple[Role, str]] = [
            (_ROLES[one.state], one.ref) for one in life.book.versions if one.state in _ROLES
        ]
        if life.book.of(State.CANARY):  # beside a canary the active version runs along on the canary's rows
            serves.append(("shadow", life.book.active))
        serves.append(("active", NOBODY))
        return Deployment(work.name, serves, work.budget_s, self._steps(work))

    def _steps(self, work: Work) -> list[Step]:
        smaller = fallbacks(work, self.shelves)
        found: list[Step] = []
        for i, one in enumerate(work.settings.fallback):
            if not isinstance(one, Fallback):
                found.append(Last())
            elif i in smaller:
                found.append(Smaller(smaller[i]))
            elif (rule := work.rule(one, [])) is not None:
                found.append(ByRule(rule))
        return found

    def rows(self, rows: FeatureRows) -> None:
        """Features of readings that came just now, or of a picture."""
        name = rows.deployment
        life = self.lives.lives.get(name)
        if life is None or not self._served:
            self.too_early += len(rows)
            return
        life.saw(rows)
        if self.above is not None:
            self.above.hybrid.saw(rows)
        routed = life.route(rows)
        to = [
            Assignment(name, one.role, one.version, None if one.all else one.rows)
            for one in (*routed.acting, *routed.shadows)
            if (name, one.role, one.version) in self._served
        ]
        if routed.fallback or not any(one.role != "shadow" for one in to):
            to.append(Assignment(name, "active", NOBODY))
        self.serving.offer(rows, to)

    def _told(self, results: Results) -> None:
        """What models said."""
        life = self.lives.lives.get(results.deployment)
        if life is not None and results.model:
            life.told(results)
        if life is not None and not results.labels:  # of fallbacks that answer for no model
            results = replace(results, labels=life.names)
        if results.role != "shadow":
            self.newest.add(results)
            batch = self.recorders[results.deployment].batch(results)
            if len(batch):
                self.intake.made(batch)
            if results.deployment in self.pictures.cameras:
                self._when_stored(results)
            if self.above is not None:
                self.above.hybrid.said(results)

    def _when_stored(self, results: Results) -> None:
        """A picture leaves its place once its result is on disk."""
        stored = asyncio.ensure_future(self.intake.everything_stored())
        self._waiting.add(stored)
        stored.add_done_callback(self._waiting.discard)
        stored.add_done_callback(lambda _: self.pictures.stored(results))

    def _from_above(self, results: Results) -> None:
        """What the model above said of rows that the local one was unsure of."""
        recorder = self.recorders.get(results.deployment)
        if recorder is not None:
            self.newest.add(results)
            batch = recorder.batch(results)
            if len(batch):
                self.intake.made(batch)

    def _label_from_above(self, said: ParentLabel) -> None:
        """The same as something to learn from."""
        task = asyncio.ensure_future(self._keep_label(said))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _keep_label(self, said: ParentLabel) -> None:
        label = said.label or f"{said.score:.9g}"
        new = Label(
            deployment=said.deployment, device=said.device, node=said.node, start_ns=said.ts, end_ns=said.ts,
            label=label, by=said.by, source="parent",
        )  # fmt: skip
        with suppress(HoldfastError):  # one that this deployment can't say is no label for it
            await self.lives.label(new)

    def _release(self, scorer: Any) -> None:
        if isinstance(scorer, Loaded) and scorer not in self.loading.scorers.values():
            scorer.release()
