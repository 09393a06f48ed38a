"""Which models are to be at work, from node.yaml, the models' cards and feature sets: read and checked, nothing loaded.

A model that isn't here yet is no fault where it may come from a parent: it's fetched, and the rest is planned then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.artifacts.digests import digest_of
from holdfast.inference.card import FEATURES, Card, load_card
from holdfast.inference.errors import ModelUnknown
from holdfast.inference.store import ModelStore
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.kernel.errors import HoldfastError
from holdfast.model.predictions import result_of
from holdfast.node.models.fallbacks import Answer, rule_answer
from holdfast.node.models.fetched import PREFIX, is_published
from holdfast.node.models.settings import Deploy, Fallback, ModelsSettings
from holdfast.stream.features.errors import FeaturesUnfit
from holdfast.stream.features.sets import FeatureSet, demand_match, find
from holdfast.stream.rules import CompiledRule

if TYPE_CHECKING:
    from holdfast.node.settings import NodeSettings

FOLDER = "models"
"""Of the data folder: models on this node."""
Where = tuple[str | int, ...]
Fault = tuple[Where, str]
Resolve = Callable[[str], Path]
"""A model's folder by what node.yaml calls it; raises `ModelUnknown`."""


@dataclass(frozen=True, slots=True)
class Work:
    """One deployment, as far as it can be planned.

    folder, card: of the model; None: it isn't here yet
    features:     its feature set; None for images
    line:         what makes its rows in the engine
    """

    name: str
    settings: Deploy
    folder: Path | None = None
    card: Card | None = None
    features: FeatureSet | None = None
    line: CompiledRule | None = None

    @property
    def is_here(self) -> bool:
        """Whether the model is on this node."""
        return self.card is not None

    @property
    def budget_s(self) -> float:
        """From arrival to result, p99."""
        said = self.settings.budget
        return said if said is not None else (None if self.card is None else self.card.budget) or 0.05

    def rule(self, step: Fallback, faults: list[str]) -> Answer | None:
        """A fallback's rule compiled; None, and why, when it can't be."""
        if self.features is None or self.card is None:
            faults.append("a rule needs a model with a feature set")
            return None
        return rule_answer(step.rule, self.features.columns, self.card.labels, faults)


def works_of(document: "Document[NodeSettings]", problems: list[Problem]) -> tuple[Work, ...]:
    """The deployments of a node.yaml; what is wrong goes to `problems`. Blocking."""
    settings = document.value
    if settings.models is None:
        return ()
    store = ModelStore(document.path.absolute().parent / settings.data / FOLDER)
    works, faults = plan_works(
        settings.models, lambda ref: store.resolve(ref).folder, may_come=settings.parent is not None
    )
    problems += [document.problem(("models", *where), said) for where, said in faults]
    return tuple(works)


def plan_works(settings: ModelsSettings, resolve: Resolve, *, may_come: bool) -> tuple[list[Work], list[Fault]]:
    """All deployments, and what is wrong with them: (place below `models`, text).

    may_come: models that aren't here may be a parent's
    """
    works, faults = list[Work](), list[Fault]()
    for name, one in settings.deploy.items():
        where: Where = ("deploy", name)
        try:
            works.append(plan_work(name, one, resolve))
        except ModelUnknown as error:
            if not may_come and not is_published(one.model):
                faults.append(((*where, "model"), f"{error}; {error.hint}"))
            works.append(Work(name, one))
        except SettingsInvalid as invalid:
            faults += [((*where, "model"), str(problem)) for problem in invalid.problems]
        except FeaturesUnfit as error:
            faults += [((*where, key) if key != "features" else (*where, "model"), said) for key, said in error.faults]
        except HoldfastError as error:
            hint = getattr(error, "hint", "")
            faults.append(((*where, "model"), f"{error}{f'; {hint}' if hint else ''}"))
    for work in works:
        faults += [*_bad_fallbacks(work, resolve), *_bad_images(work), *_bad_trials(work, resolve, may_come=may_come)]
    return works, faults + list(_circles(works))


def plan_work(name: str, one: Deploy, resolve: Resolve) -> Work:
    """One deployment.

    Raises:
        HoldfastError: what is wrong with its model, its features or how they fit.
    """
    folder = resolve(one.model)
    card = load_card(folder)
    if card.inputs.image is not None:
        return Work(name, one, folder, card)
    features = features_of(folder, card)
    from holdfast.stream.language.featuring import compile_features  # noqa: PLC0415  # sqlglot, for those with models

    return Work(name, one, folder, card, features, compile_features(features, name, _source(one), one.inputs))


def features_of(folder: Path, card: Card) -> FeatureSet:
    """The feature set beside a card.

    Raises:
        SettingsInvalid: when it can't be read.
        HoldfastError: when it isn't the one that the card names.
    """
    from holdfast.stream.language.featuring import load_features  # noqa: PLC0415  # as above

    found = find(load_features([folder / FEATURES]), card.feature_set)
    if card.feature_hash:
        demand_match(card.inputs.features, found)
    return found


def _source(one: Deploy) -> str:
    return "" if one.source == "readings" else one.source


def _bad_trials(work: Work, resolve: Resolve, *, may_come: bool) -> Iterator[Fault]:
    """Models that are to run beside it, or instead of it: digests that are none, and names that nobody has."""
    one, where = work.settings, ("deploy", work.name)
    named: list[Fault] = [((*where, "model"), one.model), ((*where, "shadow"), one.shadow)]
    if one.canary is not None:
        named.append(((*where, "canary", "model"), one.canary.model))
    for place, ref in named:
        try:
            if is_published(ref):
                digest_of(ref.removeprefix(PREFIX))
            elif ref and ref != one.model and (why := _misfit(work, resolve(ref))):
                yield place, why
        except ModelUnknown as error:
            if not may_come:
                yield place, f"{error}; {error.hint}"
        except HoldfastError as error:
            yield place, str(error)


def _bad_fallbacks(work: Work, resolve: Resolve) -> Iterator[Fault]:
    for i, step in enumerate(work.settings.fallback):
        where: Where = ("deploy", work.name, "fallback", i)
        if not isinstance(step, Fallback) or work.card is None:
            continue
        if step.rule:
            said: list[str] = []
            work.rule(step, said)
            yield from (((*where, "rule"), one) for one in said)
        elif step.model is not None:
            try:
                why = _misfit(work, resolve(step.model))
            except HoldfastError as error:
                why = str(error)
            if why:
                yield (*where, "model"), why


def _misfit(work: Work, folder: Path) -> str:
    """Why another model can't take a deployment's rows; empty = it can, or its own model isn't here to compare with."""
    other = load_card(folder)
    if work.card is None or other.inputs.features == work.card.inputs.features:
        return ""
    return f"{other.ref} takes {other.inputs.features or 'images'}, not {work.card.inputs.features or 'images'}"


def _bad_images(work: Work) -> Iterator[Fault]:
    """A model that takes pictures needs some, and no other has any."""
    where: Where = ("deploy", work.name, "images")
    if work.card is None or (work.card.inputs.image is None) == (work.settings.images is None):
        return
    if work.settings.images is None:
        yield where, f"is missing: {work.card.ref} takes pictures; say from which `folder` or `topic`"
    else:
        yield where, f"{work.card.ref} takes no pictures"


def _circles(works: Sequence[Work]) -> Iterator[Fault]:
    """Models that are fed with what they say themselves, straight or through others."""
    reads: Mapping[str, set[str]] = {work.name: set(_sources(work)) for work in works}
    for name in reads:
        seen, waiting = set[str](), list(reads[name])
        while waiting:
            one = waiting.pop()
            if one == name:
                yield ("deploy", name), "it would be fed with its own results; give its `inputs` other metrics"
                break
            if one not in seen:
                seen.add(one)
                waiting += reads.get(one, ())


def _sources(work: Work) -> Iterator[str]:
    if work.line is not None:
        for one in work.line.stage.inputs:
            if (found := result_of(one.metric)) is not None:
                yield found[0]
