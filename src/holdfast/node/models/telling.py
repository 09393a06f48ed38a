"""Models at work in the API's words."""

from collections.abc import Iterator

import msgspec
import numpy as np

from holdfast.inference.card import Card
from holdfast.inference.serving.status import PostStatus
from holdfast.inference.store import Entry
from holdfast.model.predictions import How, Results
from holdfast.node.models.planning import Work
from holdfast.node.models.scorers import Loaded, Unloaded
from holdfast.web.model_answers import FeatureSetTold, FeatureTold, Health, ModelCard, ResultTold, Running

_STATES: dict[str, Health] = {"ok": "ok", "pressed": "pressed", "fallback": "fallback", "warming": "starting",
                              "stuck": "stuck", "broken": "broken"}  # fmt: skip
MOST_RESULTS = 200


def card_of(card: Card, entry: Entry | None, loaded: Loaded | None) -> ModelCard:
    """A version's card, with what was found when it was loaded."""
    file = None if entry is None else entry.folder / card.file
    return ModelCard(
        ref=card.ref,
        description=card.description,
        task=card.task,
        runtime=card.kind,
        provider="" if loaded is None else loaded.model.provider,
        inputs=f"{', '.join(map(str, card.inputs.shape))} {card.inputs.dtype}",
        labels=list(card.labels),
        threshold=card.threshold,
        metrics=card.metrics,
        trained=card.trained,
        licence=card.licence,
        digest=card.sha256,
        bytes=file.stat().st_size if file is not None and file.exists() else 0,
        memory_bytes=0 if loaded is None else loaded.model.memory_bytes,
    )


def features_told(work: Work) -> FeatureSetTold | None:
    """What a deployment computes."""
    if work.features is None or work.line is None or work.line.features is None:
        return None
    text, widths = work.features.text, {one.name: one.width for one in work.line.features.features}
    missing = (
        text.missing if isinstance(text.missing, str) else f"fill {msgspec.json.encode(text.missing.fill).decode()}"
    )
    source = work.settings.source if work.settings.source != "readings" else text.source
    told = [FeatureTold(name, said, widths.get(name, 1)) for name, said in text.select.items()]
    return FeatureSetTold(work.features.ref, source, text.window, missing, text.quality, told)


def running_of(post: PostStatus | None, scorer: object) -> Running:
    """How a version runs."""
    held = scorer.model.memory_bytes if isinstance(scorer, Loaded) else 0
    if post is None:
        if isinstance(scorer, Unloaded):
            return Running(health="broken", last_error=str(scorer.error))
        return Running(bytes=held)
    fallbacks = {"smaller": post.smaller, "rule": post.rule, "last": post.last}
    return Running(
        health=health_of(post, is_up=True), p50_ms=post.p50_ms, p99_ms=post.p99_ms, rows_per_s=post.rows_per_s,
        scored=post.scored, skipped=post.skipped, errors=post.errors, last_error=post.last_error,
        batch=round(post.batch), queue=post.waiting, bytes=held,
        fallbacks={how: n for how, n in fallbacks.items() if n},
    )  # fmt: skip


def health_of(post: PostStatus | None, *, is_up: bool) -> Health:
    """A deployment's, by its active version's post."""
    return "starting" if post is None and not is_up else "off" if post is None else _STATES[post.state]


def results_told(batches: Iterator[Results]) -> list[ResultTold]:
    """The newest results, newest first."""
    found: list[ResultTold] = []
    for one in batches:
        for i in range(len(one) - 1, -1, -1):
            if len(found) >= MOST_RESULTS:
                return found
            found.append(_result(one, i))
    return found


def _result(one: Results, i: int) -> ResultTold:
    node, device = one.places[int(one.key[i])]
    score, confidence = float(one.predictions.score[i]), float(one.predictions.confidence[i])
    label = int(one.predictions.label[i])
    return ResultTold(
        node, device, int(one.ts[i]), score if np.isfinite(score) else None,
        one.labels[label] if 0 <= label < len(one.labels) else "", confidence if np.isfinite(confidence) else None,
        How(int(one.how[i])).name.lower(), one.version, 1e3 * float(one.latency[i]),
    )  # fmt: skip
