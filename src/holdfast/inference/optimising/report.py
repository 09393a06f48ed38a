"""What `optimise` found: the table's rows, and the pick."""

import msgspec

from holdfast.inference.optimising.pareto import Point


class Row(msgspec.Struct, frozen=True):
    """One candidate.

    why:     why it isn't there; then all figures are 0
    packed:  bytes of the file in zstd, as it would travel
    p50_ms:  of a call with one row; batch_p50_ms of a call with `Report.batch` rows; one thread, warm, by the clock
    cpu_ms:  the median CPU time of a call, which other work on the machine doesn't change
    memory:  bytes by which a fresh process grew, with the session and its first runs
    value:   the metric on the held-out rows; loss: the original's less this one's, low to high with 95 % confidence
    front:   no other candidate is at least as good in size, time and loss, and better in one
    """

    name: str
    words: str
    note: str = ""
    why: str = ""
    file: str = ""
    size: int = 0
    packed: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    batch_p50_ms: float = 0.0
    batch_p99_ms: float = 0.0
    cpu_ms: float = 0.0
    batch_cpu_ms: float = 0.0
    memory: int = 0
    load_ms: float = 0.0
    value: float = 0.0
    loss: float = 0.0
    low: float = 0.0
    high: float = 0.0
    more: dict[str, float] = {}
    front: bool = False
    picked: bool = False

    def point(self) -> Point:
        """For `pareto`."""
        return Point(self.name, self.size, self.cpu_ms, self.loss, self.p99_ms)


class Report(msgspec.Struct, frozen=True):
    """All of a run. batch: rows of a call in the columns of batches; rows: of the held-out data."""

    model: str
    sha256: str
    task: str
    metric: str
    metric_words: str
    judged_on: str
    rows: int
    labelled: bool
    calibrated_on: str
    calibration_rows: int
    batch: int
    prefer: str
    max_loss: float
    cpu: str
    dot_products: bool
    candidates: list[Row]
    pick: str | None
    why: str
    refused: bool
    out: str = ""

    def row(self, name: str) -> Row:
        """The candidate of this name."""
        return next(row for row in self.candidates if row.name == name)
