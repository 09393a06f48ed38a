"""The fleet's own record: every message sent, and when its PUBACK came. The audit's one side."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What a message was meant to be."""

    VALID = 0
    MALFORMED = 1
    STALE = 2
    DUPLICATE = 3


@dataclass(frozen=True, slots=True)
class Record:
    """Columns of shape (messages,), in the order of publishing.

    device: position in `names`; ts_ms: event time; temperature: Cel, as the hub should hold it; size: payload bytes;
    crossing: the sample that must raise the overheat alert; t_send, t_ack: CLOCK_MONOTONIC s, NaN = never acked
    """

    names: list[str]
    device: NDArray[np.int64]
    kind: NDArray[np.int8]
    ts_ms: NDArray[np.int64]
    readings: NDArray[np.int8]
    temperature: NDArray[np.float64]
    crossing: NDArray[np.bool_]
    size: NDArray[np.int32]
    t_send: NDArray[np.float64]
    t_ack: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write it as .npz."""
        columns = {name: getattr(self, name) for name in self.__slots__ if name != "names"}
        with path.open("wb") as out:
            np.savez(out, names=np.array(self.names), **columns)

    @staticmethod
    def load(path: Path) -> "Record":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in Record.__slots__ if name != "names"}
            return Record([str(name) for name in stored["names"]], **columns)
