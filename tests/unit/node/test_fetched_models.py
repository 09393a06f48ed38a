"""A model published at a parent becomes one of this node's."""

import io
from pathlib import Path

import pytest
from tests.unit.artifacts.tower import House, Parent
from tests.unit.inference.making import autoencoder, folder

from holdfast.artifacts.bundles import pack
from holdfast.artifacts.errors import ArtifactAbsent, ArtifactLate, BundleInvalid
from holdfast.inference.errors import InferenceError
from holdfast.inference.store import Entry, ModelStore
from holdfast.kernel.errors import HoldfastError
from holdfast.node.models.fetched import fetched_model, is_published


def published(parent: Parent, source: Path) -> str:
    out = io.BytesIO()
    pack(source, out)
    return f"artifact:{parent.has(out.getvalue())}"


def have(root: Path, parent: Parent | None, ref: str, within_s: float = 5.0) -> Entry:
    """By a node that has just started."""
    found, house, store = list[Entry](), House(root / "artifacts", parent), ModelStore(root / "models")

    async def ask() -> None:
        found.append(await fetched_model(house.room, store, ref, within_s))

    house.do(ask)
    return found[0]


def test_a_published_model_is_fetched_tried_and_there_without_the_parent(tmp_path: Path) -> None:
    parent = Parent()
    ref = published(parent, folder(tmp_path / "made", autoencoder()))
    assert is_published(ref)
    entry = have(tmp_path, parent, ref)
    assert ModelStore(tmp_path / "models").resolve(entry.ref).folder == entry.folder
    assert House(tmp_path / "artifacts", None).store.entries()[0].pinned
    sent = parent.sent
    assert have(tmp_path, None, ref) == entry
    assert parent.sent == sent
    assert not list((tmp_path / "artifacts").glob("new/*"))


def test_what_is_no_model_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    parent = Parent()
    made = folder(tmp_path / "made", autoencoder())
    next(made.glob("*.onnx")).write_bytes(b"no model")
    with pytest.raises(InferenceError):
        have(tmp_path, parent, published(parent, made))
    with pytest.raises(BundleInvalid):
        have(tmp_path, parent, f"artifact:{parent.has(b'no bundle')}")
    (made / "model.yaml").unlink()
    with pytest.raises(HoldfastError, match=r"model\.yaml"):
        have(tmp_path, parent, published(parent, made))
    with pytest.raises(ArtifactAbsent):
        have(tmp_path, parent, f"artifact:{'ab' * 32}")
    assert {one.origin for one in ModelStore(tmp_path / "models").entries()} <= {"builtin"}
    assert not list((tmp_path / "artifacts").glob("new/*"))


def test_a_model_that_is_not_here_in_time_comes_later(tmp_path: Path) -> None:
    parent = Parent(faults=["down"] * 500)
    ref = published(parent, folder(tmp_path / "made", autoencoder()))
    with pytest.raises(ArtifactLate, match="nothing has come"):
        have(tmp_path, parent, ref, 0.05)
    parent.faults.clear()
    assert have(tmp_path, parent, ref).card is not None
