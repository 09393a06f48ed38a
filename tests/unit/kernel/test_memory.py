"""Free memory goes back to the system. In a process of its own: this one's heap is everybody's."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from holdfast.kernel.memory import give_back

libc = ctypes.CDLL(None)
libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD: everything comes from the heap
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def resident():
    line = next(line for line in open("/proc/self/status") if line.startswith("RssAnon"))
    return int(line.split()[1])

blocks = [libc.malloc(1 << 19) for _ in range(64)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 19)
for block in blocks[:-1]:  # the last one keeps the heap's end where it is
    libc.free(block)
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give back by themselves")
def test_holes_in_the_heap_go_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 24 * 1024  # of 31.5 MiB, in KiB
