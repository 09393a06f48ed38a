"""`holdfast artifact` against a real node: publish, list, have, go on where it was cut, pin, remove."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.running import Running, running
from tests.unit.inference.making import folder as made
from typer.testing import CliRunner

from holdfast.artifacts.bundles import unpack
from holdfast.cli.artifacts import node_at, publish_folder
from holdfast.cli.main import app
from holdfast.kernel.documents import SettingsInvalid

BODY = bytes(range(256)) * 3_000
DIGEST = sha256(BODY).hexdigest()
OTHER = BODY[::-1]
OTHER_DIGEST = sha256(OTHER).hexdigest()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "shop.token").write_text("")
    (folder / "node.yaml").write_text(
        f'node: gw\napi: {{listen: "127.0.0.1:{free_port()}"}}\njournal: {{ballast: 0MB}}\n'
    )
    with running(folder) as one:
        yield one


def holdfast(node: Running, do: str, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["artifact", do, str(node.folder / "node.yaml"), *words])
    return done.exit_code, done.output


def test_a_file_is_published_listed_had_pinned_and_removed(node: Running, tmp_path: Path) -> None:
    source, target = tmp_path / "model.onnx", tmp_path / "there.onnx"
    source.write_bytes(BODY)
    assert holdfast(node, "put", str(source)) == (0, f"sha256:{DIGEST}  model.onnx  768 kB\n")
    code, said = holdfast(node, "list")
    assert (code, DIGEST in said, "model.onnx" in said) == (0, True, True)
    listed = json.loads(holdfast(node, "list", "--json")[1])["artifacts"]
    assert ("\n1 artifact, " in said) is (len(listed) == 1)
    assert [one["pinned"] for one in listed if one["digest"] == DIGEST] == [True]
    assert holdfast(node, "get", f"sha256:{DIGEST}", str(target))[0] == 0
    assert target.read_bytes() == BODY
    assert holdfast(node, "fetch", DIGEST)[0] == 0
    code, said = holdfast(node, "remove", DIGEST)
    assert (code, "is pinned" in said) == (2, True)
    assert holdfast(node, "pin", DIGEST, "--off") == (0, f"sha256:{DIGEST}  not pinned\n")
    assert holdfast(node, "remove", DIGEST)[0] == 0
    code, said = holdfast(node, "get", DIGEST, str(tmp_path / "gone"), "--wait", "0")
    assert (code, "isn't here" in said) == (2, True)
    assert holdfast(node, "get", "nonsense", str(tmp_path / "gone"))[0] == 2


def test_a_file_goes_on_where_it_was_cut_and_a_foreign_beginning_is_found_out(node: Running, tmp_path: Path) -> None:
    source, target = tmp_path / "m", tmp_path / "there"
    source.write_bytes(OTHER)
    holdfast(node, "put", str(source))
    part = target.with_name(f"there.{OTHER_DIGEST[:12]}.part")
    part.write_bytes(OTHER[:500_000])
    assert holdfast(node, "get", OTHER_DIGEST, str(target))[0] == 0
    assert target.read_bytes() == OTHER
    part.write_bytes(b"x" * 500_000)
    code, said = holdfast(node, "get", OTHER_DIGEST, str(tmp_path / "there"))
    assert (code, "isn't" in said, part.exists()) == (2, True, False)
    part.write_bytes(OTHER)  # it was whole when it was cut
    assert holdfast(node, "get", OTHER_DIGEST, str(tmp_path / "there"))[0] == 0


def test_a_model_s_folder_is_published_as_one_file(
    node: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "pump", BODY)
    there = node_at(str(node.folder / "node.yaml"), None, None)
    assert publish_folder(there, folder, pin=True) == 0
    assert publish_folder(there, folder, pin=True) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    digest = first.split()[0].removeprefix("sha256:")
    assert "pump.tar.zst" in first
    assert holdfast(node, "get", digest, str(tmp_path / "bundle"))[0] == 0
    unpack(tmp_path / "bundle", tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == BODY
    (folder / "model.yaml").write_text("model: pump\n")
    with pytest.raises(SettingsInvalid, match=r"model\.yaml"):
        publish_folder(there, folder, pin=True)
    done = CliRunner().invoke(app, ["model", "publish", str(node.folder / "node.yaml"), str(folder)])
    assert (done.exit_code, "model.yaml:" in done.output) == (2, True)


def test_a_node_that_does_not_answer_and_a_file_that_is_not_there_say_so(node: Running, tmp_path: Path) -> None:
    assert holdfast(node, "put", str(tmp_path / "nothing"))[0] == 2
    done = CliRunner().invoke(app, ["artifact", "list", f"http://127.0.0.1:{free_port()}"])
    assert (done.exit_code, "no node answers" in done.output) == (2, True)
