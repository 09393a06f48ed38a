"""What's told: predictions and fallbacks as results, in the order they were found. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.serving.pieces import Job, Piece
from holdfast.inference.serving.ports import ByRule, Last, Rule, Scorer, Smaller
from holdfast.inference.serving.posts import Post
from holdfast.inference.serving.roster import Roster
from holdfast.model.predictions import How, Predictions, Results

Array = NDArray[Any]


class Answers:
    """Results that wait to be told, and the chains that make them when a model doesn't."""

    def __init__(self, roster: Roster) -> None:
        self.rule_errors, self.last_rule_error = 0, ""
        self._roster = roster
        self._told: list[Results] = []

    def take(self) -> list[Results]:
        """What's to be told, once."""
        told, self._told = self._told, []
        return told

    def of_job(self, job: Job, said: Predictions, now: float) -> None:
        """A model said this of the job's rows."""
        groups: dict[tuple[int, int, How], list[tuple[int, Piece]]] = {}
        start = 0
        for piece in job.pieces:
            groups.setdefault((id(piece.post), id(piece.rows.places), piece.how), []).append((start, piece))
            start += len(piece)
        for members in groups.values():
            pieces = [piece for _, piece in members]
            mine = said if len(groups) == 1 else _of(said, members)
            if not job.finite and not (good := np.isfinite(mine.score)).all():
                pieces, mine = self._without(pieces, good, now), mine.take(good)
            if pieces:
                self._by_model(pieces, mine, job, now)

    def _without(self, pieces: list[Piece], good: Array, now: float) -> list[Piece]:
        start, kept = 0, []
        for piece in pieces:
            mine = good[start : start + len(piece)]
            start += len(piece)
            if mine.all():
                kept.append(piece)
                continue
            piece.post.counts.nan += int((~mine).sum())
            self.fall(piece.only(~mine), now)
            if mine.any():
                kept.append(piece.only(mine))
        return kept

    def _by_model(self, pieces: list[Piece], said: Predictions, job: Job, now: float) -> None:
        post, how = pieces[0].post, pieces[0].how
        results = self._tell(post, pieces, said, how, job.lane.scorer, job.took_s, now)
        if post.acts:
            post.lasts.learn(results.places, results.key, results.ts, said)

    def fall(self, piece: Piece, now: float, *, models: bool = True) -> None:
        """The model doesn't answer these: the deployment's next fallback does. models: may it be another model?"""
        left: Piece | None = piece
        for at, step in enumerate(piece.post.deployment.fallback if piece.post.acts else ()):
            if at < piece.step or left is None:
                continue
            match step:
                case Smaller(key):
                    if models and self._smaller(left, key, at):
                        return
                case ByRule(rule):
                    left = self._ruled(left, rule, now)
                case Last(within_s):
                    left = self.last(left, within_s, now)
        if left is not None:
            piece.post.counts.unanswered += len(left)

    def skip(self, piece: Piece, now: float) -> None:
        """These are passed over: a newer one of each device is scored, or there's no room."""
        if piece.post.acts and piece.post.deployment.skipped == "fallback":
            self.fall(piece, now, models=False)
        else:
            piece.post.counts.skipped += len(piece)

    def unusable(self, piece: Piece, now: float) -> None:
        """These mustn't be scored."""
        left: Piece | None = piece
        if piece.post.acts and piece.post.deployment.unusable == "last":
            within = (step.within_s for step in piece.post.deployment.fallback if isinstance(step, Last))
            left = self.last(piece, next(within, Last().within_s), now)
        if left is not None:
            piece.post.counts.unusable += len(left)

    def last(self, piece: Piece, within_s: float, now: float) -> Piece | None:
        """Each device's last value; the rows that have none."""
        known, said = piece.post.lasts.of(piece.rows, within_s)
        return self._partly(piece, said, known, How.LAST, now)

    def _smaller(self, piece: Piece, key: str, at: int) -> bool:
        lane, post = self._roster.lanes.get(key), piece.post
        if lane is None or lane is post.lane or not lane.health.is_able:
            return False
        if lane.expected(len(piece)) > post.budget_s:
            return False
        lane.push(replace(piece, how=How.SMALLER, step=at + 1, probe=False))
        return True

    def _ruled(self, piece: Piece, rule: Rule, now: float) -> Piece | None:
        try:
            said = rule(piece.rows)
            known = np.isfinite(said.score)
            return self._partly(piece, said, known, How.RULE, now)
        except Exception as error:  # noqa: BLE001  # an operator's expression: its fault mustn't stop the node
            self.rule_errors, self.last_rule_error = self.rule_errors + 1, f"{type(error).__name__}: {error}"
            return piece

    def _partly(self, piece: Piece, said: Predictions, known: Array, how: How, now: float) -> Piece | None:
        if known.all():
            self._tell(piece.post, [piece], said, how, piece.post.lane.scorer, 0.0, now)
            return None
        if known.any():
            self._tell(piece.post, [piece.only(known)], said.take(known), how, piece.post.lane.scorer, 0.0, now)
        return piece.only(~known)

    def _tell(
        self, post: Post, pieces: Sequence[Piece], said: Predictions, how: How, by: Scorer, took_s: float, now: float
    ) -> Results:
        rows = pieces[0].rows
        lengths = [len(piece) for piece in pieces]
        waited = [now - piece.rows.arrived for piece in pieces]
        n = sum(lengths)
        alone = len(pieces) == 1
        results = Results(
            deployment=post.deployment.name,
            model=by.name,
            version=by.version,
            role=post.role,
            labels=by.labels,
            places=rows.places,
            key=rows.key if alone else np.concatenate([piece.rows.key for piece in pieces]),
            ts=rows.ts if alone else np.concatenate([piece.rows.ts for piece in pieces]),
            predictions=said,
            how=np.full(n, how, np.uint8),
            flags=rows.flags if alone else np.concatenate([piece.rows.flags for piece in pieces]),
            took_s=took_s,
            latency=np.full(n, waited[0]) if alone else np.repeat(waited, lengths),
        )
        post.counts.told(how, n)
        post.shares.add(n, now, fallen=how not in (How.MODEL, How.PARENT))
        for seconds, length in zip(waited, lengths, strict=True):
            post.latencies.add(seconds, length, now)
            post.counts.late += length if seconds > post.budget_s else 0
        self._told.append(results)
        return results


def _of(said: Predictions, members: Sequence[tuple[int, Piece]]) -> Predictions:
    if len(members) == 1:
        start, piece = members[0]
        at = slice(start, start + len(piece))
        return Predictions(said.score[at], said.label[at], said.confidence[at])
    where = np.concatenate([np.arange(start, start + len(piece)) for start, piece in members])
    return said.take(where)
