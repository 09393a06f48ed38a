"""What pages, the command line and hubs ask of a node's models, and what people have them do (`web.model_port`)."""

from collections import deque

from holdfast.inference.card import Card
from holdfast.inference.errors import InferenceError
from holdfast.inference.lifecycle.errors import (
    ActRefused,
    DeploymentUnknown,
    LabelInvalid,
    LifecycleError,
    VersionUnknown,
)
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.states import Command, Do
from holdfast.inference.serving.status import PostStatus
from holdfast.node.models import telling
from holdfast.node.models.alerting import rule_name
from holdfast.node.models.planning import Work
from holdfast.node.models.scorers import Loaded, Unloaded
from holdfast.node.models.service import Models
from holdfast.node.rulebook import RuleBook
from holdfast.web.model_answers import (
    Deed,
    DriftState,
    LabelCounts,
    LoadedModel,
    ModelCache,
    ModelCard,
    ModelChanged,
    ModelDetail,
    ModelList,
    ModelRow,
    ModelVersion,
    ModelWish,
    Pace,
    Truth,
    TruthRow,
)
from holdfast.web.model_port import ModelAbsent, ModelInvalid, ModelRefused

MOST_DEVICES, PACES, PACE_S = 1_000, 360, 10.0
_DO: dict[Deed, Do] = {
    "load": "add", "shadow": "shadow", "canary": "canary", "promote": "promote", "rollback": "rollback",
    "retire": "retire",
}  # fmt: skip


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
        row, life = self._row(work, posts), self._models.lives.lives.get(deployment)
        newest, now_ns = self._models.newest, self._models.clock.wall_ns()
        if life is None:
            return ModelDetail(row, None, None, [], [], [], [], LabelCounts(), [], [], [])
        status = life.status()
        since = {one.ref: one.since_ns for one in status.versions}
        return ModelDetail(
            row=row,
            card=self._card(work, life),
            features=telling.features_told(work),
            versions=self._versions(work, life, posts),
            drift=list(telling.drifts_of(life, status.drift, now_ns)),
            comparisons=[telling.comparison_told(one, since.get(one.version, 0)) for one in status.comparisons],
            history=[telling.transition_told(one) for one in status.history],
            labels=LabelCounts(given=status.drift.labelled),
            devices=newest.devices(deployment)[:MOST_DEVICES],
            trend=list(self._paces.get(deployment, ())),
            results=telling.results_told(newest.batches(deployment)),
            rollback=_rollback(life),
        )

    async def act(self, deployment: str, deed: Deed, wish: ModelWish, by: str) -> ModelChanged:
        """See `ModelsPort`."""
        work = self._work(deployment)
        command = Command(_DO[deed], wish.model, wish.percent or 0.0, by, wish.why, wish.force)
        try:
            done = await self._models.lives.act(deployment, command)
        except (DeploymentUnknown, VersionUnknown) as error:
            raise ModelAbsent(str(error), str(getattr(error, "hint", ""))) from None
        except (ActRefused, LifecycleError, InferenceError) as error:
            raise ModelRefused(str(error), str(getattr(error, "hint", ""))) from None
        life = self._models.lives.find(deployment)
        last = done.done[-1] if done.done else None
        words = f"{last.version} is {last.after}" if last is not None else f"{done.active} is active"
        return ModelChanged(deployment, words, self._versions(work, life, self._models.serving.status().posts))

    async def labels(self, deployment: str, limit: int, before: int) -> list[TruthRow]:
        """See `ModelsPort`."""
        self._work(deployment)
        found = await self._models.lives.labels(deployment, limit, before)
        return [_truth(one) for one in found.labels]

    async def label(self, deployment: str, truth: Truth) -> TruthRow:
        """See `ModelsPort`."""
        self._work(deployment)
        new = Label(
            deployment=deployment, device=truth.device, node=truth.node, start_ns=truth.from_ns, end_ns=truth.to_ns,
            label=truth.label, by=truth.by, comment=truth.why,
        )  # fmt: skip
        try:
            return _truth(await self._models.lives.label(new))
        except DeploymentUnknown as error:
            raise ModelAbsent(str(error)) from None
        except LabelInvalid as error:
            raise ModelInvalid(str(error), str(getattr(error, "hint", ""))) from None

    def _work(self, deployment: str) -> Work:
        if deployment not in self._models.works:
            there = ", ".join(sorted(self._models.works)) or "none"
            raise ModelAbsent(f"there is no deployment `{deployment}`", f"there are {there}")
        return self._models.works[deployment]

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
        model, _, version = active.partition("@")
        scorer = models.loading.scorers.get(active)
        state = telling.state_of(post, is_up=models.is_up)
        words = "" if post is None else post.last_error if state != "ok" else ""
        if isinstance(scorer, Unloaded):
            state, words = "broken", str(scorer.error)
        if life is not None and life.guard.fallen:
            state = "fallback"
        drift = next((one for one in alarms if "drift" in one.kind or one.kind == "data-quality"), None)
        known: DriftState = "drifting" if drift is not None else "ok" if _watches(life) else "unknown"
        answered = 0 if post is None else post.scored + post.smaller + post.rule + post.last
        others = 0 if post is None else post.smaller + post.rule + post.last
        rule = rule_name(name) if work.settings.alert is not None else ""
        return ModelRow(
            deployment=name, task="" if work.card is None else work.card.task, model=model, version=version,
            state=state, words=words, budget_ms=1000 * work.budget_s, p50_ms=None if post is None else post.p50_ms,
            p99_ms=None if post is None else post.p99_ms, rows_per_s=0.0 if post is None else post.rows_per_s,
            devices=models.newest.count(name), fallback_share=others / answered if answered else 0.0, drift=known,
            drift_words="" if drift is None else drift.message, rule=rule,
            open_alerts=self._rules.open_of(rule) if rule else 0,
            shadows=[] if life is None else life.row().shadows,
            canaries=[] if life is None else list(life.row().canaries),
        )  # fmt: skip

    def _versions(self, work: Work, life: Lifecycle, posts: list[PostStatus]) -> list[ModelVersion]:
        shares = {one.ref: one.share for one in life.status().versions}
        order = list(shares)
        told = [
            telling.version_told(
                one, posts, self._models.loading.scorers.get(one.ref), work.name, shares.get(one.ref, 0.0)
            )
            for one in life.book.versions
        ]
        return sorted(told, key=lambda one: order.index(one.ref) if one.ref in order else len(order))

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
    return life is not None and any(one.psi_limit is not None for one in life.status().drift.columns)


def _rollback(life: Lifecycle) -> str:
    canaries = [one for one in life.book.versions if one.state == "canary"]
    if canaries:
        return f"take {', '.join(one.ref for one in canaries)} back"
    former = next((ref for ref in reversed(life.book.former) if life.book.has(ref)), "")
    return f"return to {former}" if former else ""


def _truth(one: Label) -> TruthRow:
    return TruthRow(
        one.id, one.node, one.device, one.start_ns, one.end_ns, one.label, one.by, one.comment, one.made_ns, one.alert
    )
