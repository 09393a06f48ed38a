"""What merges documents is loaded only where documents are kept, and its absence is said in words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast
from holdfast.identity.tokens import issue_token
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan

SOURCE = Path(holdfast.__file__).parents[1]


RUN_WITHOUT = """import sys
from pathlib import Path
sys.modules["pycrdt"] = None
from holdfast.kernel.errors import HoldfastError
from holdfast.node.running import run_node
from holdfast.node.settings import read_plan
try:
    run_node(read_plan(Path(sys.argv[1])))
except HoldfastError as error:
    print(f"{error}; {error.hint}")
"""


def python(program: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )
    return done.stdout + done.stderr


def test_a_node_without_documents_does_not_load_what_merges_them() -> None:
    said = python("import sys, holdfast.node.__main__, holdfast.cli.main; print('pycrdt' in sys.modules)")
    assert said == "False\n"


def test_without_the_package_a_node_with_documents_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("node: n\ndata: n\napi: {listen: '127.0.0.1:0'}\ndocuments: {}\n")
    said = python(RUN_WITHOUT, str(tmp_path / "node.yaml"))
    assert said == "shared documents need the package pycrdt, which is not installed; pip install 'holdfast[sync]'\n"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("documents: {up: ['*']}", "there is no `parent`"),
        ("documents: {children: ['*']}", "`children` are off"),
        ("apps: {a: {token: a.token, documents: ['*']}}", "`documents` is missing"),
        ("documents: {wait: 1h}", "`wait`"),
        ("documents: {share: ['*']}", "unknown key"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, more: str, problem: str) -> None:
    issue_token(tmp_path / "a.token")
    (tmp_path / "node.yaml").write_text(f"node: n\napi: {{listen: '127.0.0.1:0'}}\n{more}\n")
    with pytest.raises(SettingsInvalid, match=problem):
        read_plan(tmp_path / "node.yaml")


def test_applications_need_a_door(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("node: n\napps: {a: {token: a.token}}\n")
    with pytest.raises(SettingsInvalid, match="over HTTP"):
        read_plan(tmp_path / "node.yaml")
