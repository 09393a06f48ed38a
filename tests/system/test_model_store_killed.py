"""A model that is being added when the power goes is there as a whole or not at all, wherever it goes."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.inference.making import autoencoder, folder

from holdfast.inference.door import open_model
from holdfast.inference.store import ModelStore

pytestmark = pytest.mark.system

ADD = """
import os, signal, sys
from pathlib import Path
from holdfast.inference.store import ModelStore
from holdfast.storage.folder import DiskFolder

class Dying(DiskFolder):
    left = int(sys.argv[3])
    def step(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def create(self, name):
        self.step()
        return super().create(name)
    def keep(self, name, file):
        self.step()
        super().keep(name, file)
    def rename(self, old, new):
        self.step()
        super().rename(old, new)
    def remove(self, name):
        self.step()
        super().remove(name)

store = ModelStore(Path(sys.argv[2]), Path("/nowhere"), Dying(Path(sys.argv[2])))
store.add(Path(sys.argv[1]))
"""


@pytest.mark.timeout(60)
def test_kill_9_at_every_step_of_an_addition_leaves_nothing_half(tmp_path: Path) -> None:
    source, there = folder(tmp_path / "source", autoencoder()), set()
    for step in range(20):
        root = tmp_path / str(step)
        ended = subprocess.run([sys.executable, "-c", ADD, str(source), str(root), str(step)], check=False, timeout=30)
        store = ModelStore(root, tmp_path / "none")
        entries = store.entries()
        there.add(len(entries))
        for entry in entries:
            open_model(entry.folder)
        store.sweep()
        assert not [one for one in root.iterdir() if one.name.startswith(".")]
        assert store.add(source)[0].ref == "press@1.0.0"
        if ended.returncode == 0:
            break
        assert ended.returncode == -9
    assert there == {0, 1}
    assert step > 4
