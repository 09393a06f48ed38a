"""`python -m holdfast.node NODE.YAML`: the node without the command line's libraries around it.

`holdfast run` replaces itself by this: a gateway that runs for years shouldn't carry a terminal toolkit in memory.
"""

import gc
import os
import sys
from pathlib import Path

from holdfast.kernel.documents import SettingsInvalid
from holdfast.kernel.errors import HoldfastError

# sysexits.h: 78 configuration, 74 input/output, 69 unavailable
EXIT_CONFIG, EXIT_IO, EXIT_UNAVAILABLE = 78, 74, 69


def main(settings: Path) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit status."""
    # What imports make stays; looking through it again and again is a tenth of a start. `run_node` turns it on.
    gc.disable()
    # Parquet's reader takes memory from the pool that Arrow is loaded with; its own pools keep what they once had.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from holdfast.node.running import run_node  # noqa: PLC0415  # see above
    from holdfast.node.settings import read_plan  # noqa: PLC0415  # as above

    try:
        outcome = run_node(read_plan(settings))
    except SettingsInvalid as invalid:
        return _fail(str(invalid), EXIT_CONFIG)
    except HoldfastError as error:
        return _fail(f"{error}" + (f"\n{error.hint}" if error.hint else ""), EXIT_UNAVAILABLE)
    return 0 if outcome is None else _fail(str(outcome), EXIT_IO)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(message + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
