"""Deployments' lives from their plans: what a lifecycle needs of cards, feature sets and settings."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from holdfast.inference.card import Card
from holdfast.inference.errors import ModelUnknown
from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.drift.bins import Baseline
from holdfast.inference.lifecycle.drift.monitor import Column
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.store import Entry, ModelStore
from holdfast.node.models.planning import Work
from holdfast.node.models.settings import Fallback

Configured = tuple[str, str, tuple[str, float]]
"""What node.yaml says: active, shadow, (canary, percent); versions as `name@version`."""


class Shelves:
    """Models of the store by `name@version`, those that ship with Holdfast included. Blocking."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self._by_ref: dict[str, Entry] = {}
        self._named: dict[str, Entry] = {}
        self.look()

    def look(self) -> None:
        """See what's there now."""
        self._by_ref = {e.card.ref: e for e in reversed(self.store.entries()) if e.card is not None}

    def has(self, ref: str) -> bool:
        """Whether a version was there at the last look; quick."""
        return ref in self._by_ref

    def entry(self, ref: str) -> Entry:
        """A version.

        Raises:
            ModelUnknown: when it isn't there.
        """
        if ref not in self._by_ref:
            self.look()
        found = self._by_ref.get(ref)
        return self.store.resolve(ref) if found is None else found

    def name(self, said: str, entry: Entry) -> None:
        """What settings call a model that was fetched."""
        self._named[said] = entry

    def resolve(self, said: str) -> Entry:
        """What settings mean.

        Raises:
            ModelUnknown: when it isn't here.
        """
        return self._named[said] if said in self._named else self.store.resolve(said)

    def folder(self, said: str) -> Path:
        """Its folder; raises as `resolve`."""
        return self.resolve(said).folder

    def ref_of(self, said: str) -> str:
        """What settings mean, as `name@version`; what isn't here stays as it's said."""
        try:
            entry = self.resolve(said)
        except ModelUnknown:
            return said
        return said if entry.card is None else entry.card.ref

    def cards(self) -> Iterator[Card]:
        """Of all that are there."""
        return (entry.card for entry in self._by_ref.values() if entry.card is not None)


def configured(work: Work, shelves: Shelves) -> Configured:
    """What node.yaml says of a deployment."""
    one = work.settings
    canary = ("", 0.0) if one.canary is None else (shelves.ref_of(one.canary.model), one.canary.percent)
    return shelves.ref_of(one.model), shelves.ref_of(one.shadow) if one.shadow else "", canary


def fallbacks(work: Work, shelves: Shelves) -> Mapping[int, str]:
    """The models among a deployment's fallbacks, by place."""
    steps = enumerate(work.settings.fallback)
    return {i: shelves.ref_of(one.model) for i, one in steps if isinstance(one, Fallback) and one.model is not None}


def life_of(work: Work, card: Card, node: str, random: np.random.Generator) -> Lifecycle:
    """The life of a deployment, not yet told what was stored of it."""
    facts = Facts("anomaly" if card.task == "anomaly" else card.task, card.labels, card.threshold)
    baselines = {name: Baseline(one.edges, one.shares) for name, one in card.baseline.items()}
    return Lifecycle(work.name, columns_of(work), {card.ref: facts}, work.settings.life, random, baselines, node=node)


def facts_of(card: Card) -> Facts:
    """What a version's card says of its answers."""
    return Facts(card.task, card.labels, card.threshold)


def columns_of(work: Work) -> Sequence[Column]:
    """What is watched of a deployment's inputs; of images nothing is."""
    plan = None if work.line is None else work.line.features
    return () if plan is None else [(one.name, one.width) for one in plan.features]


def misfit(work: Work, card: Card) -> str:
    """Why a version can't be in this deployment; empty = it can."""
    mine, image = ("", None) if work.card is None else (work.card.inputs.features, work.card.inputs.image)
    if card.inputs.features == mine and card.inputs.image == image:
        return ""
    if image is not None and card.inputs.image is not None:
        said = f"{card.ref} takes other pictures than {work.name} makes: `inputs.image` of its card is different"
        return f"{said}; deploy it under a name of its own"
    theirs = card.inputs.features or "images"
    return f"{card.ref} takes {theirs}, and {work.name} computes {mine or 'images'}: deploy it under a name of its own"
