"""What `make check` leaves to `make test` are tests that are there."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_long_test_is_there() -> None:
    gone = []
    for line in (ROOT / "tests" / "long.txt").read_text().splitlines():
        file, _, name = line.partition("::")
        path, function = ROOT / file, name.rpartition("::")[2]
        if not path.is_file() or (f"def {function}(" not in path.read_text() and function != "runTest"):
            gone.append(line)
    assert gone == [], "run `make durations`"
