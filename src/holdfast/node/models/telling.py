"""Models at work in the API's words."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from holdfast.inference.card import Card
from holdfast.inference.lifecycle.comparing import ComparisonStatus
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.significance import Difference
from holdfast.inference.lifecycle.states import NEXT, UNTRIED, Do, Version
from holdfast.inference.lifecycle.status import ColumnStatus, DriftStatus
from holdfast.inference.serving.status import PostStatus
from holdfast.inference.store import Entry
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.predictions import How, Results
from holdfast.node.models.planning import Work
from holdfast.node.models.scorers import Loaded
from holdfast.web.model_answers import (
    Comparison,
    Deed,
    DeviceAgreement,
    DifferenceTold,
    Drift,
    FeatureSetTold,
    FeatureTold,
    ModelCard,
    ModelState,
    ModelVersion,
    ResultTold,
    Transition,
)

if TYPE_CHECKING:
    from holdfast.inference.lifecycle.states import Act

_STATES: dict[str, ModelState] = {"ok": "ok", "pressed": "pressed", "fallback": "fallback", "warming": "starting",
                                  "stuck": "stuck", "broken": "broken"}  # fmt: skip
_DEEDS: dict[Do, Deed] = {"shadow": "shadow", "canary": "canary", "promote": "promote", "retire": "retire"}
MOST_RESULTS, MOST_COLUMNS = 200, 200


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


def version_told(one: Version, posts: Sequence[PostStatus], scorer: object, name: str, percent: float) -> ModelVersion:
    """A version, and how it serves where it does."""
    model, _, version = one.ref.partition("@")
    post = next((p for p in posts if (p.deployment, p.key) == (name, one.ref) and p.role == one.state), None)
    can = [_DEEDS[do] for do in NEXT[one.state] if do in _DEEDS]
    force = [_DEEDS[do] for do in NEXT[one.state] if do in ("canary", "promote") and _asks_force(one, do)]
    caution = one.mark or ("it never ran in shadow" if force else "")
    told = ModelVersion(
        one.ref, model, version, one.state.value, one.since_ns, percent=percent, mark=one.mark, can=can,
        asks_force=force, caution=caution, bytes=scorer.model.memory_bytes if isinstance(scorer, Loaded) else 0,
    )  # fmt: skip
    if post is None:
        return told
    fallbacks = {"smaller": post.smaller, "rule": post.rule, "last": post.last}
    return msgspec.structs.replace(
        told, state=_STATES[post.state], p50_ms=post.p50_ms, p99_ms=post.p99_ms, rows_per_s=post.rows_per_s,
        scored=post.scored, skipped=post.skipped, errors=post.errors, last_error=post.last_error,
        batch=round(post.batch), queue=post.waiting, fallbacks={how: n for how, n in fallbacks.items() if n},
    )  # fmt: skip


def _asks_force(one: Version, do: Do) -> bool:
    return bool(one.mark) or (not one.shadowed and (one.state, do) in UNTRIED)


def state_of(post: PostStatus | None, *, is_up: bool) -> ModelState:
    """A deployment's, by its active version's post."""
    return "starting" if post is None and not is_up else "off" if post is None else _STATES[post.state]


def drifts_of(life: Lifecycle, drift: DriftStatus, now_ns: int) -> Iterator[Drift]:
    """What is watched of a deployment."""
    for one in drift.columns[:MOST_COLUMNS]:
        yield _column(one, drift, now_ns)
    if drift.labelled:
        yield Drift(
            "error", "error", "drifting" if drift.error_alarmed else "ok", None, None, 0.0, None, 0, drift.labelled,
            words=f"{drift.error:.3g} against labels, {drift.error_usual:.3g} is usual"
            if drift.error is not None and drift.error_usual is not None else "",
        )  # fmt: skip
    bad = drift.bad / drift.rows if drift.rows else 0.0
    limit = life.settings.drift.bad
    yield Drift(
        "inputs", "quality", "drifting" if bad > limit else "ok", None, None, limit, None, 0, drift.rows,
        words=f"{bad:.1%} of the rows can't be scored",
    )  # fmt: skip


def _column(one: ColumnStatus, drift: DriftStatus, now_ns: int) -> Drift:
    step = round(drift.window_s * NS_PER_S)
    first = now_ns - step * (len(one.spark) - 1)
    known = one.psi is not None and one.psi_limit is not None
    words = f"{one.phase}; {one.devices} devices by themselves" if one.devices else one.phase
    return Drift(
        name=one.name,
        kind="feature" if one.kind == "input" else "prediction",
        state="drifting" if one.alarmed else "ok" if known else "unknown",
        psi=one.psi,
        ks=one.ks,
        limit=one.psi_limit or 0.0,
        ks_limit=one.ks_limit,
        since_ns=0,
        rows=drift.rows,
        words=words,
        trend=[(first + i * step, psi) for i, psi in enumerate(one.spark) if psi is not None],
    )


def comparison_told(one: ComparisonStatus, since_ns: int) -> Comparison:
    """A shadow or canary beside the acting version."""
    return Comparison(
        one.version, one.against, one.rows, one.agreement, one.labels, one.confusion, one.quantiles, one.labelled,
        one.error_new, one.error_old, _difference(one.error), _difference(one.failures), one.latency_ms,
        [DeviceAgreement(d.node, d.device, d.rows, d.agreement or 0.0) for d in one.worst], one.verdict, one.words,
        one.lost, since_ns,
    )  # fmt: skip


def _difference(one: Difference | None) -> DifferenceTold | None:
    if one is None:
        return None
    low, high, estimate = (float(x) if np.isfinite(x) else None for x in (one.low, one.high, one.difference))
    return DifferenceTold(one.verdict, one.words, estimate, low, high, one.n)


def transition_told(one: "Act") -> Transition:
    """Something that was done."""
    return Transition(one.at_ns, one.by, one.do, one.version, one.before, one.after, one.percent, one.why, one.forced)


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
