"""An object store that never keeps its caller waiting: calls have a time, and after a failure there is a rest.

A mount of a NAS that went away hangs in the kernel, where no timeout of ours reaches; so calls run on threads of their
own, which a caller leaves behind when their time is over. There are never more than `MOST` of them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from holdfast.kernel.clock import Clock
from holdfast.storage.errors import ObjectsUnreachable
from holdfast.storage.objects import ObjectStore

MOST = 8
REST_S = 15.0
"""After a failure the next call is made this much later; until then every call fails at once."""
T = TypeVar("T")


class Patience:
    """Wraps a store; a store itself."""

    def __init__(self, store: ObjectStore, timeout_s: float, clock: Clock) -> None:
        """timeout_s: for a call, or for a put to get on with its next part."""
        self._store, self._timeout_s, self._clock = store, timeout_s, clock
        self._slots = threading.BoundedSemaphore(MOST)
        self._closed_until, self._why = -1.0, ""

    @property
    def trouble(self) -> str:
        """Why the store is left alone now; empty when it isn't."""
        return self._why if self._clock.monotonic() < self._closed_until else ""

    def put(self, name: str, parts: Iterable[bytes]) -> bool:
        """See `ObjectStore.put`."""
        steps = _Steps(parts)
        return self._call(lambda: self._store.put(name, steps), steps)

    def get(self, name: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get`."""
        return self._call(lambda: self._store.get(name, start, end))

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        self._call(lambda: self._store.remove(name))

    def names(self) -> Iterator[tuple[str, int]]:
        """See `ObjectStore.names`."""
        yield from self._call(lambda: list(self._store.names()))

    def _call(self, work: Callable[[], T], steps: "_Steps | None" = None) -> T:
        if self.trouble:
            raise ObjectsUnreachable(self._why)
        if not self._slots.acquire(blocking=False):
            raise self._failed(ObjectsUnreachable(f"{MOST} calls hang already"))
        call = _Call(work, self._slots.release)
        threading.Thread(target=call.run, daemon=True, name="objects").start()
        taken = -1
        while not call.done.wait(self._timeout_s):
            if steps is None or (steps.taken == taken and not steps.is_asking):
                if steps is not None:
                    steps.is_over = True
                raise self._failed(ObjectsUnreachable(f"no answer within {self._timeout_s:g} s"))
            taken = steps.taken
        if isinstance(call.error, ObjectsUnreachable):
            raise self._failed(call.error)
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[no-any-return]  # what `work` returned

    def _failed(self, error: ObjectsUnreachable) -> ObjectsUnreachable:
        self._closed_until, self._why = self._clock.monotonic() + REST_S, str(error)
        return error


class _Call:
    def __init__(self, work: Callable[[], Any], release: Callable[[], None]) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._work, self._release = work, release

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            self.error = error
        self._release()
        self.done.set()


class _Steps:
    """Parts, counted as they are taken; ends with an error once nobody waits for the put any more."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.taken, self.is_over = 0, False
        self.is_asking = False
        """Is the next part being made? That may take its time, and isn't the store's silence."""
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        self.is_asking = True
        for part in self._parts:
            if self.is_over:
                raise ObjectsUnreachable("given up")
            self.taken += 1
            self.is_asking = False
            yield part
            self.is_asking = True
        self.is_asking = False
