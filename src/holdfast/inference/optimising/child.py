"""The child process: one job, read from the file named, answered in the other. `python -m …child JOB ANSWER`.

A library may crash here, run out of memory or never end; the parent sees a failed candidate, and goes on.
"""

import resource
import sys
from pathlib import Path

import msgspec

from holdfast.inference.optimising.errors import OptimisingError
from holdfast.inference.optimising.jobs import Answer, Failed, Job, Make, Weigh
from holdfast.inference.optimising.measuring import race, weigh
from holdfast.inference.optimising.recipes import make

MOST_MEMORY = 6 << 30
"""Of address space, bytes: a calibration gone wild ends here, not in the machine's swap."""


def do(job: Job) -> Answer:
    """One job, whatever becomes of it."""
    try:
        match job:
            case Make():
                return make(job)
            case Weigh():
                return weigh(job)
            case _:
                return race(job)
    except OptimisingError as error:
        return Failed(str(error))
    except MemoryError:
        return Failed(f"more than {MOST_MEMORY >> 30} GiB of memory would be needed")
    except Exception as error:  # noqa: BLE001  # libraries' own errors; each is a row of the table
        return Failed(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error) else ''}")


def main() -> None:
    """Read the job, do it, write the answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.RLIM_INFINITY))
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(do(job)))


if __name__ == "__main__":
    main()
