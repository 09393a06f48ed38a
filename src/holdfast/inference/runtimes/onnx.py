"""ONNX Runtime: `.onnx` and `.ort` files.

Providers are taken by what the installed build offers: `onnxruntime` has the processor, `onnxruntime-gpu` CUDA and
TensorRT, `onnxruntime-openvino` Intel's. TensorRT compiles a model for minutes at its first load, so `auto` doesn't
take it.
"""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.inference.errors import ModelRefused, ProviderMissing, RunFailed, RunInterrupted, RuntimeMissing
from holdfast.inference.runtimes.onnx_file import check_file
from holdfast.inference.runtimes.port import MAP, Array, Options, TensorInfo

_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_AUTO = ("cuda", "openvino", "cpu")
_DTYPES = {"float": "float32", "double": "float64", "string": "str"}
_QUIET = 4
_MOST_REASON = 400
_CHUNK = 1 << 16
_ASKED = re.compile(r"Available memory of (\d+) is smaller than requested bytes of (\d+)")
_SETTLED = threading.Lock()
_ARENAS: list[int] = []
"""The one that this process's library has, if any: a fact of the library, so it's kept beside it."""
# An Identity of one float, by the letter: opset 13, IR 7. What the library sets up once is then not a model's memory.
_NOTHING = bytes.fromhex(
    "08073a2f0a100a017812017922084964656e746974791201675a0b0a017812060a0408011200620b0a017912060a040801120042040a00100d"
)


def library() -> ModuleType:
    """The library, set up to keep its thoughts to itself.

    Raises:
        RuntimeMissing: when it isn't installed.
    """
    try:
        import onnxruntime  # noqa: PLC0415  # 20 MB that a gateway without models does without
    except ImportError:
        raise RuntimeMissing("onnxruntime", "ml") from None
    onnxruntime.set_default_logger_severity(_QUIET)
    return onnxruntime  # type: ignore[no-any-return]  # untyped


def version() -> str:
    """What runs models here, for what is remembered of them."""
    return f"onnxruntime {library().__version__}"


def settle() -> None:
    """Have the library set up what it keeps for good, so that it isn't measured as a model's."""
    with _SETTLED:
        library().InferenceSession(_NOTHING, _session_options(Options()), providers=["CPUExecutionProvider"])


def providers() -> list[str]:
    """The providers that the installed build offers, as settings call them."""
    there = set(library().get_available_providers())
    return [name for name, theirs in _PROVIDERS.items() if theirs in there]


def open_session(path: Path, data: bytes, options: Options) -> "OnnxSession":
    """A session of its own over a model's bytes.

    Raises:
        RuntimeMissing, ProviderMissing: see there.
        ModelRefused: when the file isn't a model, or not one of a kind that is run here.
    """
    onnxruntime = library()
    if path.suffix == ".onnx":
        check_file(path, data)
    if options.together:
        _bound(options.together)
    fault: Exception = RuntimeError("this build has no provider for the processor")
    for provider in _candidates(options):
        listed = list(dict.fromkeys([_PROVIDERS[provider], _PROVIDERS["cpu"]]))
        try:  # its own fallback prints, and would hide which processor was meant
            session = onnxruntime.InferenceSession(
                data, _session_options(options), providers=listed, enable_fallback=False
            )
        except _faults() as error:
            fault = error
            continue
        used = next(name for name, theirs in _PROVIDERS.items() if theirs == session.get_providers()[0])
        if options.provider not in {"auto", used}:  # the build has it, and its drivers aren't there
            raise ProviderMissing(options.provider, [used])
        return OnnxSession(session, used, shrinks=bool(options.together))
    hint = "is it whole, and exported for an opset that this onnxruntime knows?"
    raise ModelRefused(path, f"onnxruntime doesn't load it: {_reason(fault)}", hint)


class OnnxSession:
    """See `port.Session`."""

    def __init__(self, session: Any, provider: str, *, shrinks: bool) -> None:
        """shrinks: the memory of a run is given back at its end (it costs nothing that can be measured)."""
        self.provider, self._shrinks = provider, shrinks
        self._session = session
        self._options = library().RunOptions
        self._faults = _faults()
        self._running: set[Any] = set()
        self.inputs = [_info(one) for one in session.get_inputs()]
        self.outputs = [_info(one) for one in session.get_outputs()]
        first = self.inputs[0].shape if self.inputs else ()
        self.batch = first[0] if first else None

    def run(self, name: str, rows: Array, wanted: Sequence[str]) -> list[Any]:
        """See `port.Session`."""
        options = self._options()
        if self._shrinks:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._running.add(options)
        try:
            said: list[Any] = self._session.run(wanted, {name: rows}, options)
        except self._faults as error:
            if options.terminate:
                raise RunInterrupted("the run was interrupted") from None
            raise RunFailed(f"the model failed: {_reason(error)}") from None
        finally:
            self._running.discard(options)
        return said

    def interrupt(self) -> bool:
        """See `port.Session`: between two nodes of the graph, and between two turns of a loop."""
        for options in tuple(self._running):
            options.terminate = True
        return True


def _bound(most: int) -> None:
    """Give all sessions that want it one arena of at most so many bytes; the library takes one for each process."""
    onnxruntime = library()
    with _SETTLED:
        if _ARENAS:
            return
        place = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        )
        same_as_requested = 1  # rather than powers of two
        grows = {"max_mem": most, "arena_extend_strategy": same_as_requested, "initial_chunk_size_bytes": _CHUNK}
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(grows))
        _ARENAS.append(most)


def _candidates(options: Options) -> list[str]:
    """The providers to try, the best first: a build may have one whose drivers aren't there."""
    there = providers()
    if options.provider == "auto":
        return [name for name in _AUTO if name in there]
    if options.provider not in there:
        raise ProviderMissing(options.provider, there)
    return [options.provider]


def _session_options(options: Options) -> Any:
    onnxruntime = library()
    said = onnxruntime.SessionOptions()
    said.intra_op_num_threads, said.inter_op_num_threads = options.threads, 1
    said.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    levels = onnxruntime.GraphOptimizationLevel
    said.graph_optimization_level = {
        "off": levels.ORT_DISABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }[options.optimisation]
    said.enable_cpu_mem_arena = said.enable_mem_pattern = options.arena
    if options.together:
        said.enable_cpu_mem_arena = True
        said.add_session_config_entry("session.use_env_allocators", "1")
    said.log_severity_level = _QUIET
    said.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread would take a core
    return said


def _faults() -> tuple[type[Exception], ...]:
    """All that the library raises; its classes have no parent of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415  # see `library`

    theirs = [one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception)]
    return (*theirs, RuntimeError, ValueError, TypeError, MemoryError)


def _info(argument: Any) -> TensorInfo:
    kind = str(argument.type)
    if not kind.startswith("tensor("):
        return TensorInfo(argument.name, (), MAP if kind.startswith("seq(map(") else kind)
    dtype = kind.removeprefix("tensor(").removesuffix(")")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in argument.shape)
    return TensorInfo(argument.name, shape, _DTYPES.get(dtype, dtype))


def _reason(error: Exception) -> str:
    """What the library says, without where in its source it says so."""
    text = " ".join(str(error).split())
    if (asked := _ASKED.search(text)) is not None:
        return f"it asks for {int(asked[2]):,} bytes of memory, and {int(asked[1]):,} are left to models"
    return text if len(text) <= _MOST_REASON else text[: _MOST_REASON - 3] + "..."
