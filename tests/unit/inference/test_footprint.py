"""A gateway without models loads none of their libraries, and one without the libraries says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.inference.making import autoencoder, folder
from tests.unit.inference.making_litert import dense
from tests.unit.inference.test_litert import FILE, A, B

IMPORTED = """
import sys
import holdfast.inference.cache, holdfast.inference.store, holdfast.inference.trials, holdfast.inference.door
import holdfast.cli.model_commands
print(sorted({name.split(".")[0] for name in sys.modules} & {"onnxruntime", "onnx", "ai_edge_litert", "sklearn"}))
"""
WITHOUT = """
import sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"onnxruntime", "ai_edge_litert"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from holdfast.inference.door import open_model
from holdfast.inference.errors import RuntimeMissing
try:
    open_model(Path(sys.argv[1]))
except RuntimeMissing as missing:
    print(f"{missing}: {missing.hint}")
"""


def told(code: str, *words: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], check=True, capture_output=True, timeout=30
    ).stdout.decode()


def test_the_room_loads_no_library_before_a_model_is_opened() -> None:
    assert told(IMPORTED) == "[]\n"


@pytest.mark.parametrize(
    ("data", "file", "words"),
    [
        (autoencoder(), "model.onnx", "onnxruntime isn't installed: pip install 'holdfast[ml]'\n"),
        (dense(A, B), FILE, "ai-edge-litert isn't installed: pip install 'holdfast[litert]'\n"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, data: bytes, file: str, words: str
) -> None:
    assert told(WITHOUT, folder(tmp_path, data, file=file)) == words
