"""Which unit tests are long: `make durations` hands pytest's report of durations to this; it writes tests/long.txt.

A test counts with all its parameters, as it's one line in a source. So many of the shortest stay in `make check` as
take SHORT_S of two workers' time together; tests/architecture stays as a whole.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SHORT_S = 70.0
LONG = Path(__file__).parents[1] / "tests" / "long.txt"
LINE = re.compile(r"([\d.]+)s (?:call|setup|teardown) +(tests/unit/[^\[\s]+)")


def durations(report: Iterable[str]) -> Counter[str]:
    """Seconds of each test function, its parameters and its setup together."""
    found: Counter[str] = Counter()
    for line in report:
        if said := LINE.match(line):
            found[said[2]] += float(said[1])  # type: ignore[assignment]  # a Counter of floats adds as one of ints
    return found


def long_ones(took: Counter[str]) -> list[str]:
    """Those that don't fit in SHORT_S once all shorter ones are in, by name."""
    room, found = SHORT_S, []
    for name, seconds in sorted(took.items(), key=lambda one: one[1]):
        room -= seconds
        if room < 0:
            found.append(name)
    return sorted(found)


def main() -> None:
    """Read the report from standard input."""
    took = durations(sys.stdin)
    if not took:
        sys.exit("no durations in what came: run `make durations`")
    found = long_ones(took)
    LONG.write_text("".join(f"{one}\n" for one in found))
    sys.stdout.write(
        f"{len(found)} of {len(took)} tests are long: {sum(took[one] for one in found):.0f} of {took.total():.0f} s\n"
    )


if __name__ == "__main__":
    main()
