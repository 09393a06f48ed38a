"""The walls hold by machine: the import contract is exhaustive and bites; modules and functions keep their size."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "holdfast").rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 45  # 30 of code; signature and docstring come on top


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(command), "--no-cache"],
        cwd=project,
        env={"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_project(folder: Path) -> Path:
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_contract_holds_and_a_forbidden_import_breaks_it(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    assert lint_imports(project).returncode == 0
    clock = project / "src" / "holdfast" / "kernel" / "clock.py"
    clock.write_text("import holdfast.journal.journal\n" + clock.read_text())
    broken = lint_imports(project)
    assert broken.returncode != 0
    assert "holdfast.kernel is not allowed to import holdfast.journal" in broken.stdout


def test_a_room_without_a_floor_breaks_the_contract(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    room = project / "src" / "holdfast" / "attic"
    room.mkdir()
    (room / "__init__.py").write_text('"""No floor."""\n')
    assert lint_imports(project).returncode != 0


@pytest.mark.parametrize("module", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_modules_and_functions_keep_their_size(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, f"{module.name}:{node.name}"
