"""Which file of each piece answers a question: the coarsest that gives the same numbers. Pure."""

from dataclasses import dataclass

from holdfast.history.question import Question
from holdfast.journal.pieces import AROUND_ALERTS, COLD, FIVE_MINUTES, HOURS, MINUTES, RAW, WARM, Piece, PieceFile

_NS = 10**9
_COARSEST_FIRST = (HOURS, FIVE_MINUTES, MINUTES)


@dataclass(frozen=True, slots=True)
class Read:
    """Read [from_ns, to_ns) of one file."""

    piece: Piece
    file: PieceFile
    from_ns: int
    to_ns: int

    @property
    def tier(self) -> str:
        """Where it lies."""
        return tier_of(self.file)


def tier_of(file: PieceFile) -> str:
    """Where a file lies."""
    return "warm" if file.places & WARM else "cold" if file.places & COLD else "nowhere"


def plan(pieces: tuple[Piece, ...], question: Question) -> list[Read]:
    """What to read, in order of the pieces' age in the catalogue."""
    reads: list[Read] = []
    for piece in pieces:
        reads += _of_piece(piece, question)
    return reads


def _of_piece(piece: Piece, question: Question) -> list[Read]:
    low, high = max(question.from_ns, piece.ts_min), min(question.to_ns, piece.ts_max + 1)
    if low >= high:
        return []
    raw = piece.file(RAW)
    if question.step_ns is None or question.wants_rows:
        return [Read(piece, raw, low, high)] if raw else _remains(piece, question, low, high)
    for step in _COARSEST_FIRST:
        file = piece.file(step)
        if file is not None and question.step_ns % (step * _NS) == 0:
            return _with_edges(piece, file, question)
    if raw is not None:
        return [Read(piece, raw, low, high)]
    return _coarse(piece, question)


def _with_edges(piece: Piece, file: PieceFile, question: Question) -> list[Read]:
    """Whole steps from the roll-up; what the question cuts off a step at either end from the readings."""
    step_ns = file.step * _NS
    raw = piece.file(RAW)
    begin = -(-question.from_ns // step_ns) * step_ns
    end = question.to_ns // step_ns * step_ns
    if raw is None:  # whole steps at the ends, too: there is nothing finer
        begin, end = question.from_ns // step_ns * step_ns, -(-question.to_ns // step_ns) * step_ns
        return [Read(piece, file, begin, end)]
    if begin >= end:
        return [Read(piece, raw, question.from_ns, question.to_ns)]
    reads = []
    if piece.ts_min < begin and question.from_ns < begin:
        reads.append(Read(piece, raw, question.from_ns, begin))
    reads.append(Read(piece, file, begin, end))
    if piece.ts_max >= end and question.to_ns > end:
        reads.append(Read(piece, raw, end, question.to_ns))
    return reads


def _remains(piece: Piece, question: Question, low: int, high: int) -> list[Read]:
    """The readings are gone: what was kept around alerts, and steps for the rest."""
    if question.step_ns is not None:  # a percentile: the steps count every reading, so those around alerts don't
        return _coarse(piece, question)
    around = piece.file(AROUND_ALERTS)
    kept = [Read(piece, around, low, high)] if around else []
    return kept + _coarse(piece, question)


def _coarse(piece: Piece, question: Question) -> list[Read]:
    for step in reversed(_COARSEST_FIRST):
        file = piece.file(step)
        if file is not None:
            step_ns = step * _NS
            begin = question.from_ns // step_ns * step_ns
            return [Read(piece, file, begin, question.to_ns)]
    return []
