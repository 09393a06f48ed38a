"""Memory that the allocator holds and nobody uses."""

import ctypes

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc; musl gives back by itself


def give_back() -> None:
    """Hand free pages inside the heap back to the system. Blocking, any thread: 0.5 to 10 ms.

    For the end of work on much data: arrays of half a megabyte leave holes, and glibc returns only the heap's end.
    """
    if _trim is not None:
        _trim(0)
