"""The process that tries one model, and ends: `python -m holdfast.inference.trying`, started by `trials`.

It takes an order on standard input, bounds itself, opens the model as a node would, and says on standard output what
became of it. What a bad model does to this process is the answer: its parent reads the signal that ended it.
"""

import resource
import signal
import sys
from math import ceil
from pathlib import Path

import msgspec
from msgspec import Struct

from holdfast.inference.door import open_model
from holdfast.inference.errors import InferenceError, ModelRefused
from holdfast.inference.runtimes.port import Options
from holdfast.kernel.documents import SettingsInvalid

CLOCK_TIMES = 4
"""The clock may take so many times the processor time: the machine has other things to do."""
_START_S = 20.0
_COPIES = 3
"""Of a file while it's loaded: its bytes, what is parsed of them, and the weights."""
_STACK = 16 << 20
_MEMORY_WORDS = ("alloc", "memory")


class Order(Struct, frozen=True):
    """What to try. kind: the card's runtime, which is loaded before memory is bounded; file_bytes: of the model."""

    folder: str
    kind: str
    file_bytes: int
    threads: int
    optimisation: str
    largest_file: int
    largest_memory: int
    load_s: float


class Told(Struct, frozen=True):
    """What became of it. memory: bytes it took; refused: why it isn't let in, with a hint; greedy: for its memory."""

    memory: int = 0
    refused: str = ""
    hint: str = ""
    greedy: bool = False


def allowed_s(load_s: float) -> float:
    """How long the whole may take on the clock, a Python's start included."""
    return _START_S + CLOCK_TIMES * load_s


def attempt(order: Order) -> Told:
    """Try it, within bounds."""
    options = Options(
        threads=order.threads,
        provider="cpu",
        optimisation=order.optimisation,  # type: ignore[arg-type]  # from our own `Options`
        largest_file=order.largest_file,
        largest_memory=order.largest_memory,
        load_s=order.load_s,
    )
    folder = Path(order.folder)
    _bound(order)
    try:
        model = open_model(folder, options)
    except ModelRefused as refused:
        greedy = any(word in refused.reason for word in _MEMORY_WORDS)
        return Told(refused=refused.reason, hint=refused.hint, greedy=greedy)
    except (InferenceError, SettingsInvalid) as error:
        return Told(refused=str(error), hint=error.hint)
    except MemoryError:
        return Told(refused="it takes more memory than is allowed", greedy=True)
    return Told(memory=model.memory_bytes)


def _bound(order: Order) -> None:
    """Bound this process for good: memory, processor time, the clock, no files written, no core left behind."""
    if order.kind == "onnx":
        from holdfast.inference.runtimes.onnx import settle  # noqa: PLC0415  # only what is needed
    else:
        from holdfast.inference.runtimes.litert import settle  # noqa: PLC0415  # only what is needed
    settle()  # what the library maps for itself isn't the model's
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    loading = _COPIES * order.file_bytes + _STACK * order.threads
    mapped = pages * resource.getpagesize() + order.largest_memory + loading
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = ceil(used.ru_utime + used.ru_stime + order.load_s)
    resource.setrlimit(resource.RLIMIT_AS, (mapped, mapped))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, allowed_s(order.load_s))  # its parent may be gone


def main() -> None:
    """Take the order, say what became of it."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    told = attempt(order)
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(told))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
