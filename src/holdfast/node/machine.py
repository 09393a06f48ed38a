"""Facts about this machine that Linux tells: filesystem of a path, is the clock kept right."""

import ctypes
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
# adjtimex(2): state TIME_ERROR means that no one keeps the clock right; STA_UNSYNC says the same in `status`.
_TIME_ERROR = 5
_STA_UNSYNC = 0x40
# sizeof(struct timex) is 208 on 64-bit Linux, 128 on 32-bit.
_TIMEX_BYTES = 256
_LONG = ctypes.sizeof(ctypes.c_long)


def filesystem_of(path: Path, mounts: str | None = None) -> str:
    """Type of the filesystem that holds `path` (or will, once it's made); empty when the system doesn't tell."""
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="replace") if mounts is None else mounts
    except OSError:
        return ""
    place, kind, longest = path.absolute().resolve(), "", -1
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = Path(fields[1].encode().decode("unicode_escape"))  # spaces are written \040
        if len(mount.parts) >= longest and place.is_relative_to(mount):
            kind, longest = fields[2], len(mount.parts)
    return kind


def is_clock_synchronised() -> bool | None:
    """Does someone keep the clock right? None when the kernel doesn't tell."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = (ctypes.c_char * _TIMEX_BYTES)()
        state = libc.adjtimex(ctypes.byref(timex))  # modes = 0: read only, allowed to everyone
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    # struct timex { unsigned modes; long offset, freq, maxerror, esterror; int status; … }
    status = ctypes.c_int.from_buffer(timex, 5 * _LONG).value
    return state != _TIME_ERROR and not status & _STA_UNSYNC
