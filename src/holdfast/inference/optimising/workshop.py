"""Runs a job in a child process of its own, for no longer than it may."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from holdfast.inference.optimising.jobs import Answer, Failed, Job

_SAID = 300


def run(job: Job, limit_s: float) -> Answer:
    """The child's answer, or why there is none: it crashed, was killed, or took too long."""
    with tempfile.TemporaryDirectory(prefix="holdfast-optimise-") as folder:
        asked, answered = Path(folder, "job.json"), Path(folder, "answer.json")
        asked.write_bytes(msgspec.json.encode(job))
        command = [sys.executable, "-W", "ignore", "-m", "holdfast.inference.optimising.child"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        try:
            done = subprocess.run(  # noqa: S603  # our own words
                [*command, str(asked), str(answered)],
                timeout=limit_s,
                capture_output=True,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Failed(f"not done within {limit_s:g} s (--limit)")
        if not answered.exists():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            return Failed(f"the process that made it ended with status {done.returncode}: {last[0][:_SAID]}")
        answer: Answer = msgspec.json.decode(answered.read_bytes(), type=Answer)
        return answer
