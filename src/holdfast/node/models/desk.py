"""What pages, the command line and hubs ask of a node's models, and what people have them do (`web.model_port`)."""

import asyncio
from collections import deque

import numpy as np
from msgspec.structs import replace

from holdfast.inference.card import Card
from holdfast.inference.lifecycle.drift.shapes import shapes_of
from holdfast.inference.lifecycle.drift.watch import LONG
from holdfast.inference.lifecycle.errors import ActRefused, DeploymentUnknown
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.states import Command
from holdfast.inference.lifecycle.status import ActDone, DeploymentRow, DeploymentStatus, DriftStatus, LabelList
from holdfast.inference.serving.status import PostStatus
from holdfast.node.models import telling
from holdfast.node.models.alerting import rule_name
from holdfast.node.models.planning import Work
from holdfast.node.models.scorers import Loaded, Unloaded
from holdfast.node.models.service import Models
from holdfast.node.rulebook import RuleBook
from holdfast.web.model_answers import (
    DriftState,
    LabelCounts,
    LoadedModel,
    ModelCache,
    ModelCard,
    ModelDetail,
    ModelList,
    ModelRow,
    Pace,
)

MOST_DEVICES, PACES, PACE_S = 1_000, 360, 10.0


class Desk:
    """See the module. Loop thread only."""

    def __init__(self, models: Models, rules: RuleBook) -> None:
        self._models, self._rules = models, rules
        self._paces: dict[str, deque[Pace]] = {}
        models.on_tick = self._pace
        self._paced = 0.0

    async def listed(self) -> ModelList:
        """See `ModelsPort`."""
        posts = self._models.serving.status().posts
        return ModelList([self._row(work, posts) for _, work in sorted(self._models.works.items())], self._cache())

    async def detail(self, deployment: str) -> ModelDetail:
        """See `ModelsPort`."""
        work, posts = self._work(deployment), self._models.serving.status().posts
        if deployment not in self._models.lives.lives:
            return self._waiting(work, posts)
        life, newest = self._models.lives.find(deployment), self._models.newest
        status = life.status()
        scorers = self._models.loading.scorers
        mine = {(one.key, str(one.role)): one for one in posts if one.deployment == deployment}
        roles = {one.ref: one.state.value for one in life.book.versions}
        return ModelDetail(
            **{name: getattr(status, name) for name in DeploymentStatus.__struct_fields__},
            row=self._row(work, posts),
            card=self._card(work, life),
            features=telling.features_told(work),
            running={ref: telling.running_of(mine.get((ref, role)), scorers.get(ref)) for ref, role in roles.items()},
            shapes=shapes_of(life.monitor.inputs) | shapes_of(life.monitor.outputs),
            labels=LabelCounts(*await self._models.lives.tally(deployment)),
            devices=newest.devices(deployment)[:MOST_DEVICES],
            trend=list(self._paces.get(deployment, ())),
            results=telling.results_told(newest.batches(deployment)),
            pictures=self._models.pictures.status(deployment),
            former=next((ref for ref in reversed(life.book.former) if life.book.has(ref)), ""),
        )

    def _waiting(self, work: Work, posts: list[PostStatus]) -> ModelDetail:
        """Of a deployment whose model isn't here yet: nothing runs and nothing is watched."""
        watched = DriftStatus([], 0, 0, 0, 0, 0, 0, 0, 0, None, None, error_alarmed=False, bytes=0)
        nothing = DeploymentStatus(work.name, "", False, 0, [], [], [], watched, [], [])
        return ModelDetail(
            **{name: getattr(nothing, name) for name in DeploymentStatus.__struct_fields__},
            row=self._row(work, posts), running={}, shapes={}, devices=[], trend=[], results=[],
        )  # fmt: skip

    async def act(self, deployment: str, wish: Command) -> ActDone:
        """See `ModelsPort`."""
        self._demand_here(deployment)
        if wish.version:  # as settings may call it: builtin:NAME, a name alone
            ref = await asyncio.to_thread(self._models.shelves.ref_of, wish.version)
            wish = replace(wish, version=ref)
            await self._models.fit(deployment, wish.version)
        return await self._models.lives.act(deployment, wish)

    async def relearn(self, deployment: str) -> object:
        """See `ModelsPort`."""
        self._demand_here(deployment)
        return await self._models.lives.relearn(deployment)

    async def labels(self, deployment: str, limit: int, below: int, device: str) -> LabelList:
        """See `ModelsPort`."""
        self._demand_here(deployment)
        return await self._models.lives.labels(deployment, limit, below, device)

    async def label(self, label: Label) -> Label:
        """See `ModelsPort`."""
        self._demand_here(label.deployment)
        return await self._models.lives.label(label)

    def _work(self, deployment: str) -> Work:
        if deployment not in self._models.works:
            raise DeploymentUnknown(deployment)
        return self._models.works[deployment]

    def _demand_here(self, deployment: str) -> None:
        work = self._work(deployment)
        if deployment not in self._models.lives.lives:
            why = self._models.coming.hindrance(deployment) or "it isn't on this node yet"
            raise ActRefused(f"{deployment} waits for its model, {work.settings.model}", why)

    def _post(self, life: Lifecycle | None, posts: list[PostStatus]) -> PostStatus | None:
        if life is None:
            return None
        mine = (one for one in posts if one.deployment == life.deployment and one.role == "active")
        found = {one.key: one for one in mine}
        return found.get(life.book.active) if not life.guard.fallen else found.get("")

    def _row(self, work: Work, posts: list[PostStatus]) -> ModelRow:
        models, name = self._models, work.name
        life = models.lives.lives.get(name)
        post, alarms = self._post(life, posts), [] if life is None else list(life.alarms.values())
        active = "" if life is None else life.book.active
        scorer = models.loading.scorers.get(active)
        health = telling.health_of(post, is_up=models.is_up)
        words = "" if post is None else post.last_error if health != "ok" else ""
        if isinstance(scorer, Unloaded):
            health, words = "broken", str(scorer.error)
        if life is None:
            health, words = "waiting", models.coming.hindrance(name)
        elif life.guard.fallen:
            health = "fallback"
        drift = next((one for one in alarms if "drift" in one.kind or one.kind == "data-quality"), None)
        known: DriftState = "drifting" if drift is not None else "ok" if _watches(life) else "unknown"
        words = words or models.spending.words(name)
        acting = [one for one in posts if one.deployment == name and one.role == "active"]
        answered, others = sum(one.answered_lately for one in acting), sum(one.fallen_lately for one in acting)
        rule = rule_name(name) if work.settings.alert is not None else ""
        lived = DeploymentRow(name, "", False, [], {}, 0, 0) if life is None else life.row()  # as it is
        return ModelRow(
            **{key: getattr(lived, key) for key in DeploymentRow.__struct_fields__},
            task="" if work.card is None else work.card.task,
            health=health, words=words, budget_ms=1000 * work.budget_s, p50_ms=None if post is None else post.p50_ms,
            p99_ms=None if post is None else post.p99_ms, rows_per_s=0.0 if post is None else post.rows_per_s,
            devices=models.newest.count(name), fallback_share=others / answered if answered else 0.0, drift=known,
            drift_words="" if drift is None else drift.message, rule=rule,
            open_alerts=self._rules.open_of(rule) if rule else 0,
        )  # fmt: skip

    def _card(self, work: Work, life: Lifecycle) -> ModelCard | None:
        ref = life.book.active
        scorer, shelves = self._models.loading.scorers.get(ref), self._models.shelves
        loaded = scorer if isinstance(scorer, Loaded) else None
        entry = shelves.entry(ref) if shelves.has(ref) else None
        card: Card | None = work.card if entry is None else entry.card
        return None if card is None else telling.card_of(card, entry, loaded)

    def _cache(self) -> ModelCache:
        figures = self._models.cache.figures
        loaded = [
            LoadedModel(ref, one.model.memory_bytes, pinned=True, used_ns=0)
            for ref, one in sorted(self._models.loading.scorers.items())
            if isinstance(one, Loaded)
        ]
        return ModelCache(figures.used, figures.budget, figures.hits, figures.misses, figures.evictions, loaded)

    def _pace(self) -> None:
        """How it goes, noted every few seconds."""
        now = self._models.clock.monotonic()
        if now - self._paced < PACE_S:
            return
        self._paced = now
        posts, now_ns = self._models.serving.status().posts, self._models.clock.wall_ns()
        for name, life in self._models.lives.lives.items():
            post = self._post(life, posts)
            if post is not None:
                kept = self._paces.setdefault(name, deque(maxlen=PACES))
                kept.append(Pace(now_ns, post.p50_ms, post.p99_ms, post.rows_per_s))


def _watches(life: Lifecycle | None) -> bool:
    """Is drift known well enough to say that there's none?"""
    return life is not None and bool(np.isfinite(life.monitor.inputs.limits.limit(LONG)).any())
