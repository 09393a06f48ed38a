import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from holdfast.artifacts import bundles
from holdfast.artifacts.bundles import pack, unpack
from holdfast.artifacts.errors import BundleInvalid


def model(folder: Path) -> Path:
    (folder / "more").mkdir(parents=True)
    (folder / "model.yaml").write_text("model: x\n")
    (folder / "model.onnx").write_bytes(b"\0" * 5_000)
    (folder / "more" / "labels.txt").write_text("a\nb\n")
    (folder / ".hidden").write_text("stays")
    return folder


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    assert pack(folder, out) == 3
    return out.getvalue()


def bundle(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for about, body in members:
            about.size = len(body)
            tar.addfile(about, io.BytesIO(body))
    path.write_bytes(zstandard.compress(out.getvalue()))
    return path


def test_the_same_folder_is_the_same_bytes_whenever_it_is_packed(tmp_path: Path) -> None:
    one, other = model(tmp_path / "one"), model(tmp_path / "other")
    os.utime(other / "model.yaml", (1, 1))
    (other / "model.onnx").chmod(0o600)
    assert packed(one) == packed(other)
    (other / "model.yaml").write_text("model: y\n")
    assert packed(one) != packed(other)


def test_a_bundle_becomes_the_folder_again(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(packed(model(tmp_path / "one")))
    unpack(tmp_path / "b", tmp_path / "there" / "x")
    found = {path.relative_to(tmp_path / "there" / "x").as_posix() for path in (tmp_path / "there").rglob("*.*")}
    assert found == {"model.yaml", "model.onnx", "more/labels.txt"}
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["../out", "/abs", "a/../../b", ".hidden", "a/.b", "x" * 300, "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    made = bundle(tmp_path / "b", (tarfile.TarInfo("good"), b"1"), (tarfile.TarInfo(name), b"2"))
    with pytest.raises(BundleInvalid):
        unpack(made, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_nothing_but_plain_files_comes_out(tmp_path: Path, kind: bytes) -> None:
    about = tarfile.TarInfo("link")
    about.type, about.linkname = kind, "/etc/passwd"
    with pytest.raises(BundleInvalid):
        unpack(bundle(tmp_path / "b", (about, b"")), tmp_path / "x")


def test_a_file_twice_or_too_many_or_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = bundle(tmp_path / "b", (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("a"), b"2"))
    with pytest.raises(BundleInvalid, match="twice"):
        unpack(twice, tmp_path / "x")
    monkeypatch.setattr(bundles, "MOST_FILES", 1)
    two = bundle(tmp_path / "b", (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("b"), b"2"))
    with pytest.raises(BundleInvalid, match="more than 1 files"):
        unpack(two, tmp_path / "x")
    monkeypatch.setattr(bundles, "MOST_BYTES", 100_000)
    large = bundle(tmp_path / "b", (tarfile.TarInfo("a"), b"\0" * 1_000_000))
    assert large.stat().st_size < 1_000
    with pytest.raises(BundleInvalid, match="unpacks to more"):
        unpack(large, tmp_path / "x")


@pytest.mark.parametrize("body", [b"", b"no bundle", zstandard.compress(b"no tar" * 200)])
def test_what_is_no_bundle_says_so(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "b").write_bytes(body)
    with pytest.raises(BundleInvalid):
        unpack(tmp_path / "b", tmp_path / "x")


def test_a_cut_bundle_leaves_no_folder(tmp_path: Path) -> None:
    whole = packed(model(tmp_path / "one"))
    (tmp_path / "b").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleInvalid):
        unpack(tmp_path / "b", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_with_a_link_or_without_a_file_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nothing"):
        with pytest.raises(BundleInvalid):
            pack(folder, io.BytesIO())
    (model(tmp_path / "m") / "link").symlink_to("/etc/passwd")
    with pytest.raises(BundleInvalid, match="link is no plain file"):
        pack(tmp_path / "m", io.BytesIO())
