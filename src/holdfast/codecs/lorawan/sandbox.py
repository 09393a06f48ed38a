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
_BUFFER = Path(__file__).with_name("buffer.js").read_text(encoding="utf-8")
_OLD_NAMES = {"decodeUplink": ("Decode", "Decoder"), "encodeDownlink": ("Encode", "Encoder"), "decodeDownlink": ()}
"""ChirpStack v3's `Decode(fPort, bytes, variables)` and The Things Network v2's `Decoder(bytes, port)` return the data
themselves, as `Encode(fPort, object, variables)` and `Encoder(object, port)` do the bytes."""
_NO_MODULE = ("ReferenceError: module is", "ReferenceError: exports is", "SyntaxError: unsupported keyword: export")
_EXPORTS = (
    (re.compile(r"^(\s*)export\s+default\b", re.MULTILINE), r"\1module.exports ="),
    (re.compile(r"^(\s*)export\s+(?=(?:async\s+)?(?:function|const|let|var|class)\b)", re.MULTILINE), r"\1"),
    (re.compile(r"^\s*export\s*\{[^}]*\}\s*;?", re.MULTILINE), ""),
)
_MODULE = "var module = { exports: {} }; var exports = module.exports;"
_DETAIL = 300
_LINE = re.compile(r"<input>:(\d+)")
_OURS = "(native)"
_SPENT = (("InternalError: interrupted", Fault.TIME), ("InternalError: out of memory", Fault.MEMORY))


def run_call(source: str, call: Call, limits: Limits) -> Answer:
    """Load `source` and make one call. Never raises on what a script does."""
    try:
        context, run = _loaded(source, limits)
        names = (str(call.kind), *_OLD_NAMES[call.kind])
        kind, main = next(((name, f) for name in names if (f := _function(context, name)) is not None), ("", None))
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


def _loaded(source: str, limits: Limits) -> tuple[Any, Any]:
    """An interpreter with the script, and what runs its functions. A script written as a module gets what it misses."""
    context, run = _fresh(source, limits)
    try:
        context.eval(source)
    except quickjs.JSException as error:
        if not str(error).startswith(_NO_MODULE):
            raise
        context, run = _fresh(source, limits)
        context.eval(_MODULE)
        for pattern, instead in _EXPORTS:
            source = pattern.sub(instead, source)
        context.eval(source)
    return context, run


def _fresh(source: str, limits: Limits) -> tuple[Any, Any]:
    context = quickjs.Context()
    context.set_memory_limit(limits.memory)
    context.set_max_stack_size(limits.stack)
    context.set_time_limit(limits.cpu_s)
    run = context.eval(_PRELUDE)
    if "Buffer" in source or "TextDecoder" in source:
        context.eval(_BUFFER)
    return context, run


def _function(context: Any, name: str) -> Any:
    """A function of the script by its name, also one made by const, let or class, or exported; None if there's none."""
    found = context.eval(f"typeof {name} === 'function' ? {name} : null")
    if found is None:
        exported = f"module.exports.{name}"
        found = context.eval(
            f"typeof module === 'object' && module && typeof module.exports === 'object' && module.exports"
            f" && typeof {exported} === 'function' ? {exported} : null"
        )
    return found


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
