"""A minute of coverage-guided fuzzing over every format. pip fetches atheris, pinned by hash, into a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SECONDS = 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_that_atheris_thinks_of_escapes_the_decoder(tmp_path: Path) -> None:
    wanted = ["--require-hashes", "--no-deps", "--target", str(tmp_path / "atheris"), "-r", str(HERE / "atheris.txt")]
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        pytest.skip(f"atheris can't be fetched for this machine: {fetched.stderr[-300:]}")
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT), str(tmp_path / "atheris")))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    command = [sys.executable, str(HERE / "atheris_codecs.py"), f"-max_total_time={SECONDS}", "-rss_limit_mb=2048"]
    done = subprocess.run(
        [*command, str(corpus)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert len(list(corpus.iterdir())) > 100  # inputs that reached code no other had
