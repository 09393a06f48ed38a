"""Tries models from elsewhere in a process of their own, and remembers the verdict.

A model's file is a program for a large library written in C++. Nothing a reader can check tells whether it loops for
ever, asks for 100 GB or makes the library crash, and any of these would take the node with it. So the first load of a
file happens in a process that may die (`trying`): bounded memory, processor time and clock. It costs about half a
second, once: the verdict is kept by what it depends on (the file's digest, what the card says of inputs and outputs,
the library's version, the options), so that a node that starts again loads at once.

What this isn't: a jail. A file made to take over the library would have this user's rights in that process, as it
would in any program that loads it. And a model may be well-behaved on the rows it's tried with and loop on others:
that is what serving's watchdog and `Model.interrupt` are for.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from holdfast.inference.card import Card
from holdfast.inference.door import runtime_version
from holdfast.inference.errors import ModelHostile, ModelRefused, ModelTooLarge
from holdfast.inference.runtimes.port import Options
from holdfast.inference.trying import Order, Told, allowed_s
from holdfast.storage.errors import StorageError
from holdfast.storage.files import write_atomic

FORMAT = 1
MOST_KEPT = 1_000
"""Verdicts, the newest."""
_LASTING = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGXCPU}
"""Ends that the same file would come to again. SIGKILL is the system's, short of memory; SIGALRM a busy machine's."""


class Verdict(Struct, frozen=True):
    """What is remembered of a trial. memory: bytes the model took; refused: why it isn't let in."""

    memory: int = 0
    refused: str = ""
    hint: str = ""
    hostile: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials made, verdicts remembered instead, and models refused by either, since the start."""

    tried: int = 0
    remembered: int = 0
    refused: int = 0


class Trials:
    """See `door.Trier`. Blocking, any thread."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where verdicts are kept; None = until this process ends."""
        self._folder = folder
        self._known: dict[str, Verdict] = {}
        self._lock = threading.Lock()
        self._tried = self._remembered = self._refused = 0

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return Counts(self._tried, self._remembered, self._refused)

    def judge(self, folder: Path, card: Card, options: Options) -> int:
        """Bytes that the model took in memory when it was tried, now or at another time.

        Raises:
            ModelHostile: when it crashed, hung or ate memory.
            ModelRefused: when the door doesn't let it in.
        """
        key, path = _key(card, options), folder / card.file
        verdict = self._recall(key)
        with self._lock:
            self._remembered += verdict is not None
            self._tried += verdict is None
        if verdict is None:
            verdict, lasts = _tried(folder, card, options)
            if lasts:
                self._remember(key, verdict)
        if verdict.refused:
            with self._lock:
                self._refused += 1
            raise (ModelHostile if verdict.hostile else ModelRefused)(path, verdict.refused, verdict.hint)
        if verdict.memory > options.largest_memory:
            sentence = f"{path} takes {verdict.memory:,} bytes in memory; {options.largest_memory:,} are allowed"
            raise ModelTooLarge(sentence, verdict.memory, options.largest_memory)
        return verdict.memory

    def known(self, card: Card, options: Options) -> Verdict | None:
        """What is remembered of a model, run this way; None = it will be tried."""
        return self._recall(_key(card, options))

    def _recall(self, key: str) -> Verdict | None:
        if key not in self._known and self._folder is not None:
            try:
                self._known[key] = msgspec.json.decode((self._folder / f"{key}.json").read_bytes(), type=Verdict)
            except (OSError, msgspec.MsgspecError):
                return None
        return self._known.get(key)

    def _remember(self, key: str, verdict: Verdict) -> None:
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[key] = verdict
        if self._folder is not None:
            try:
                write_atomic(self._folder / f"{key}.json", msgspec.json.encode(verdict))
                self._forget_oldest(self._folder)
            except (StorageError, OSError):  # a full disk costs another trial after the next start, no more
                return

    @staticmethod
    def _forget_oldest(folder: Path) -> None:
        kept = list(folder.glob("*.json"))
        if len(kept) > MOST_KEPT:
            for path in sorted(kept, key=lambda one: one.stat().st_mtime_ns)[: len(kept) - MOST_KEPT]:
                path.unlink(missing_ok=True)


def _key(card: Card, options: Options) -> str:
    depends = [FORMAT, card.sha256, card.task, card.inputs, card.outputs, card.threshold, runtime_version(card)]
    limits = [options.threads, options.optimisation, options.largest_file, options.largest_memory, options.load_s]
    return hashlib.sha256(msgspec.json.encode([*depends, *limits])).hexdigest()[:32]


def _tried(folder: Path, card: Card, options: Options) -> tuple[Verdict, bool]:
    """A verdict, and whether it would be the same another time."""
    order = Order(
        str(folder.absolute()),
        card.kind,
        _size(folder / card.file),
        options.threads,
        options.optimisation,
        options.largest_file,
        options.largest_memory,
        options.load_s,
    )
    # its import path and nothing of the node's environment: no secrets to find there
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    environment = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "MALLOC_ARENA_MAX": "1", **kept}
    try:
        ended = subprocess.run(  # our own module
            [sys.executable, "-m", "holdfast.inference.trying"],
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=allowed_s(options.load_s) + 1,
            check=False,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return _hostile(options, signal.SIGALRM), False
    if ended.returncode < 0:
        return _hostile(options, signal.Signals(-ended.returncode)), -ended.returncode in _LASTING
    try:
        told = msgspec.json.decode(ended.stdout.rpartition(b"\n")[2], type=Told)
    except msgspec.MsgspecError:
        return Verdict(refused=f"the process that tried it ended with {ended.returncode}", hostile=True), False
    if told.greedy:
        said = f"it asks for more than the {options.largest_memory:,} bytes of memory that it may have: {told.refused}"
        return Verdict(refused=said, hint="a model of this size doesn't belong on this node", hostile=True), True
    return Verdict(told.memory, told.refused, told.hint), True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the door says what is wrong


def _hostile(options: Options, by: signal.Signals) -> Verdict:
    if by == signal.SIGXCPU:
        said = f"it ran for {options.load_s:g} s of processor time and hadn't answered"
        return Verdict(refused=said, hint="it may loop for ever; don't use it", hostile=True)
    if by == signal.SIGALRM:
        said = f"it hadn't answered after {allowed_s(options.load_s):g} s"
        return Verdict(refused=said, hint="try again when the machine is less busy", hostile=True)
    if by == signal.SIGKILL:
        hint = "the system was short of memory, or somebody ended the process: try again"
        return Verdict(refused="the process that tried it was killed", hint=hint, hostile=True)
    return Verdict(refused=f"it crashed its runtime ({by.name})", hint="the file is damaged or hostile", hostile=True)
