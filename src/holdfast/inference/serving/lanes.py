"""A model's lane: what waits for it, and what is known of its speed and its health. Pure."""

from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

from holdfast.inference.serving.costs import Costs
from holdfast.inference.serving.health import Health
from holdfast.inference.serving.pieces import Job, Piece, Slot, newest_only
from holdfast.inference.serving.ports import Scorer, Staged
from holdfast.inference.serving.settings import ServingSettings
from holdfast.model.predictions import How

if TYPE_CHECKING:
    from holdfast.inference.serving.posts import Post

WARM_UPS = (1, 1, 1, 8, 64)
"""Rows of a warm-up's runs: the first ones pay for lazy allocations, the others teach what a row costs."""
WARM_SHARE = 0.5
"""A warm-up's run takes no more than so much of the budget: others wait for it."""
LEFT = 0.9
LEAST = 0.25
HOG = 0.25
SHADOW_HOG = 0.25
"""Shares of a budget that a batch's run may take: of what's left of its own; of its own if it's late already (smaller
batches would cost more than they bring); of another model's that would wait for it, and for the one laid out behind
it; and of that if it's only a shadow's."""

_numbers = count(1)


class Lane:
    """One loaded model's. Its rows run in the order they came: no two of its batches on two threads at a time."""

    def __init__(self, key: str, scorer: Scorer, settings: ServingSettings) -> None:
        self.number = next(_numbers)
        self.key, self.scorer = key, scorer
        self.staged = scorer if isinstance(scorer, Staged) else None
        self.costs = Costs()
        self.health = Health(settings.trip_after, settings.pauses_s)
        self.posts: list[Post] = []
        self.acting: deque[Piece] = deque()
        self.shadowing: deque[Piece] = deque()
        self.rows, self.nbytes = 0, 0
        """Of both queues; rows of the acting one only."""
        self.slot: Slot | None = None
        self.flying = 0
        self.errors, self.last_error = 0, ""
        self.runs, self.run_rows = 0, 0
        self.warm = list(WARM_UPS)
        self.most = max(1, min(settings.batch_rows, settings.batch_bytes // (8 * max(scorer.width, 1))))
        self.limit = self.most
        self._settings = settings

    @property
    def is_idle(self) -> bool:
        """Does nothing wait or run?"""
        return not (self.acting or self.shadowing or self.flying)

    @property
    def budget_s(self) -> float:
        """The tightest of its posts'."""
        return min((post.budget_s for post in self.posts), default=1.0)

    @property
    def watchdog_s(self) -> float:
        """When a run is stuck."""
        return max(self._settings.watchdog * self.budget_s, self._settings.watchdog_min_s)

    def push(self, piece: Piece) -> None:
        """Let it wait."""
        self.nbytes += piece.nbytes
        if piece.post.acts:
            self.rows += len(piece)
            self.acting.append(piece)
        else:
            self.shadowing.append(piece)

    def put_back(self, pieces: Iterable[Piece]) -> None:
        """These were taken and can't run after all."""
        for piece in reversed(list(pieces)):
            self.nbytes += piece.nbytes
            if piece.post.acts:
                self.rows += len(piece)
                self.acting.appendleft(piece)
            else:
                self.shadowing.appendleft(piece)

    def expected(self, rows: int) -> float:
        """How long it will run for what waits and so many rows more, s."""
        rows += self.rows
        return self.costs.of(rows) + max(0, -(-rows // max(self.limit, 1)) - 1) * self.costs.fixed

    def batch_limit(self, now: float, hog_s: float) -> int:
        """How many rows the next batch may have. hog_s: the tightest budget of another model's rows."""
        first = self.acting[0]
        left = min(first.rows.arrived + first.post.budget_s - now, self.budget_s)
        allowed = min(max(left * LEFT, first.post.budget_s * LEAST), hog_s * HOG)
        self.limit = self.costs.rows_in(allowed, self.most)
        return self.limit

    def take(self, limit: int) -> list[Piece]:
        """The next batch of rows that matter."""
        taken = self._take(self.acting, limit)
        self.rows -= sum(len(piece) for piece in taken)
        return taken

    def take_shadow(self, hog_s: float) -> list[Piece]:
        """The next batch for shadows."""
        return self._take(self.shadowing, self.costs.rows_in(hog_s * SHADOW_HOG, self.most))

    def _take(self, queue: deque[Piece], limit: int) -> list[Piece]:
        """At most so many rows. A piece of half a batch runs alone: rows beside it would cost a copy of all."""
        taken: list[Piece] = []
        room = limit
        while queue and room:
            if taken and (2 * len(taken[0]) >= limit or (2 * room <= limit and len(queue[0]) > room)):
                break
            piece = queue.popleft()
            if len(piece) > room:
                piece, rest = piece.cut(room)
                queue.appendleft(rest)
            taken.append(piece)
            room -= len(piece)
            self.nbytes -= piece.nbytes
        return taken

    def thin(self) -> list[Piece]:
        """Keep only each device's newest row; what was passed over."""
        kept, passed = newest_only(self.acting)
        if passed:
            self.acting = kept
            self.rows = sum(len(piece) for piece in kept)
            self.nbytes -= sum(piece.nbytes for piece in passed)
        return passed

    def remove(self, post: "Post") -> list[Piece]:
        """What waits for this post's own model; it doesn't any more."""
        mine = [piece for piece in self.acting if piece.post is post and piece.how is How.MODEL]
        if mine:
            taken = {id(piece) for piece in mine}
            self.acting = deque(piece for piece in self.acting if id(piece) not in taken)
            self.rows -= sum(len(piece) for piece in mine)
            self.nbytes -= sum(piece.nbytes for piece in mine)
        return mine

    def empty(self) -> tuple[list[Piece], list[Piece]]:
        """Everything that waits, acting and shadowing; nothing waits any more."""
        acting, shadowing = list(self.acting), list(self.shadowing)
        self.acting.clear()
        self.shadowing.clear()
        self.rows, self.nbytes = 0, 0
        return acting, shadowing

    def drop_shadows(self, before: float) -> list[Piece]:
        """Shadows' rows that came before then; they don't wait any more."""
        dropped: list[Piece] = []
        while self.shadowing and self.shadowing[0].rows.arrived < before:
            dropped.append(self.shadowing.popleft())
            self.nbytes -= dropped[-1].nbytes
        return dropped

    def warm_up(self) -> Job:
        """The next of its warm-up's runs."""
        wanted = self.warm.pop(0)
        n = min(wanted, self.costs.rows_in(self.budget_s * WARM_SHARE, self.most)) if wanted > 1 else 1
        return Job(self, [], n, self.costs.of(n))

    def warm_again(self) -> None:
        """Its pause is over: a warm-up decides."""
        self.warm = list(WARM_UPS)
        self.health.warm_again()
