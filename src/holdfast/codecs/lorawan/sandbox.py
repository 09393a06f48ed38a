"""One call of a vendor's script in a fresh interpreter. Runs in a worker process only (`worker`).

A context per call, as The Things Stack and ChirpStack do it: a script's variables, implicit globals and whatever it
does to prototypes end with the call, so nothing of one message or device reaches another. It costs about 0.3 ms.
"""

import re
from pathlib import Path
from typing import Any

import quickjs

from holdfast.codecs.lorawan.calls import Answer, Call, Fault, Limits, spent

_PRELUDE = Path(__file__).with_name("prelude.js").read_text(encoding="utf-8")
_OLD_NAME = "Decoder"
"""The Things Network v2: `Decoder(bytes, port)` returns the data itself."""
_DETAIL = 300
_LINE = re.compile(r"<input>:(\d+)")
_OURS = "(native)"
_SPENT = (("InternalError: interrupted", Fault.TIME), ("InternalError: out of memory", Fault.MEMORY))


def run_call(source: str, call: Call, limits: Limits) -> Answer:
    """Load `source` and make one call. Never raises on what a script does."""
    try:
        context = quickjs.Context()
        context.set_memory_limit(limits.memory)
        context.set_max_stack_size(limits.stack)
        context.set_time_limit(limits.cpu_s)
        run = context.eval(_PRELUDE)
        context.eval(source)
        main, kind = _function(context, call.kind), str(call.kind)
        if main is None and kind == "decodeUplink":
            main, kind = _function(context, _OLD_NAME), "old"
        if main is None:
            return Answer(Fault.SCRIPT, f"the script has no function {call.kind}")
        normalize = _function(context, "normalizeUplink") if kind == "decodeUplink" else None
        text = run(kind, main, normalize, call.input.decode(), limits.output)
    except quickjs.JSException as error:
        return _fault(str(error), limits)
    except UnicodeError:
        return Answer(Fault.SCRIPT, "it threw a text that is no Unicode")
    except MemoryError:
        return Answer(Fault.MEMORY, "the worker process has no more memory")
    return _read(text, limits)


def _function(context: Any, name: str) -> Any:
    """A function of the script by its name, also one made by const, let or class; None when there's none."""
    return context.eval(f"typeof {name} === 'function' ? {name} : null")


def _read(text: str, limits: Limits) -> Answer:
    sort, rest = text[:1], text[1:]
    if sort == "R":
        return Answer(None, rest)
    if sort == "O":
        return Answer(Fault.OUTPUT, f"it returned {rest} characters; at most {limits.output} are taken")
    return _fault(rest, limits)


def _fault(words: str, limits: Limits) -> Answer:
    for sign, fault in _SPENT:
        if words.startswith(sign):
            return Answer(fault, spent(fault, limits))
    return Answer(Fault.SCRIPT, _told(words))


def _told(words: str) -> str:
    """What was thrown, with the script's line where the engine knows it."""
    first, _, trace = words.partition("\n")
    line = _LINE.search(trace)
    where = f" (line {line[1]})" if line and _OURS not in trace[: line.start()] else ""
    return f"{first.strip()[:_DETAIL]}{where}"
