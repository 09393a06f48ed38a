"""What the room needs of a library that runs models. The library is loaded when its first session is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Provider = Literal["auto", "cpu", "cuda", "tensorrt", "openvino"]
Optimisation = Literal["off", "basic", "extended", "all"]
MAP = "map"
"""The dtype of an output that isn't a tensor: probabilities by label, as scikit-learn's ZipMap makes them."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is run; two loads with the same options and digest share a session.

    threads:      of one run, beside the thread that calls
    provider:     which processor; `auto` = the best that is there
    optimisation: of the graph at load
    arena:        memory kept between runs: no faster for models of a gateway's size (README), and never given back
    together:     bytes that all ONNX models of this process may take, what they take while they run included; one that
                  asks for more fails its run. The process's first such model decides; 0 = without bound
    largest_file: bytes; a larger one isn't read
    largest_memory: bytes the model may take while it's tried, beyond what the library itself takes
    load_s:       processor time that its trial may take; four times that on the clock
    """

    threads: int = 1
    provider: Provider = "auto"
    optimisation: Optimisation = "all"
    arena: bool = False
    together: int = 0
    largest_file: int = 256_000_000
    largest_memory: int = 512_000_000
    load_s: float = 10.0


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of a model. shape: None = any; an empty one says nothing. dtype: numpy's name, `str` or `MAP`."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Session(Protocol):
    """A model that is loaded.

    provider: what runs it, as in `Options.provider`
    batch:    the only number of rows that it takes; None = any
    """

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    provider: str
    batch: int | None

    def run(self, name: str, rows: Array, wanted: Sequence[str]) -> list[Any]:
        """The wanted outputs for rows fed to one input; any thread, several at once. A `MAP` is a list of dicts.

        Raises:
            RunFailed: when the model fails.
            RunInterrupted: when `interrupt` was called meanwhile.
        """
        ...

    def interrupt(self) -> bool:
        """Stop what runs now, soon; False: this library can't."""
        ...
