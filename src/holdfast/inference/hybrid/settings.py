"""`hybrid:` of a deployment: which results are asked about above, and how much that may cost."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration

Share = Annotated[float, Meta(ge=0, le=1)]


class HybridSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One deployment's. Nothing waits for an answer: the local result stands until it comes, and when it doesn't."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    """The model above, as the parent's store knows it."""
    below: Share | None = None
    """A result with less confidence is uncertain."""
    between: tuple[float, float] | None = None
    """A result with a score in this band is uncertain, bounds included."""
    per_minute: Annotated[int, Meta(ge=1, le=6_000)] = 60
    """Questions; the rest stays uncertain."""
    within: Duration = 60.0
    """How long an answer is of use."""
    cache: Annotated[int, Meta(ge=0, le=100_000)] = 1_000
    """Answers kept for rows that are as good as the same."""
    cache_for: Duration = 3_600.0
    digits: Annotated[int, Meta(ge=1, le=12)] = 3
    """Rows are as good as the same when their values agree in so many significant digits."""
    trip_after: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """Questions in a row without an answer after which only one at a time tries whether there's somebody again."""

    def __post_init__(self) -> None:
        """Refuse what would ask nothing."""
        if self.below is None and self.between is None:
            msg = "`below` or `between` is missing: nothing would ever be asked"
            raise ValueError(msg)
        if self.between is not None and not self.between[0] <= self.between[1]:
            msg = "`between` is the lower bound, then the upper one"
            raise ValueError(msg)
        if self.within <= 0:
            msg = "`within` must be above 0 s"
            raise ValueError(msg)
