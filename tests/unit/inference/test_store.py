"""Models on disk: whole or not there."""

import random
from pathlib import Path

import pytest
from tests.unit.inference.making import autoencoder, folder

from holdfast.inference.cache import ModelCache
from holdfast.inference.errors import DigestWrong, ModelExists, ModelInUse, ModelTooLarge, ModelUnknown
from holdfast.inference.runtimes.port import Options
from holdfast.inference.store import ModelStore, order


def store(at: Path) -> ModelStore:
    return ModelStore(at / "models", at / "shipped")


def test_a_model_is_added_listed_resolved_and_removed(tmp_path: Path) -> None:
    models = store(tmp_path)
    assert models.entries() == []
    entry, model = models.add(folder(tmp_path / "mine", autoencoder()))
    assert entry.folder == model.folder == tmp_path / "models/press/1.0.0"
    assert sorted(one.name for one in entry.folder.iterdir()) == ["model.onnx", "model.yaml"]
    assert [one.ref for one in models.entries()] == ["press@1.0.0"]
    for ref in ("press", "press@1.0.0", f"sha256:{model.digest}", f"sha256:{model.digest[:12]}"):
        assert models.resolve(ref) == entry
    assert models.remove("press") == entry
    assert models.entries() == []
    assert not (tmp_path / "models/press").exists()


def test_a_name_means_its_highest_release(tmp_path: Path) -> None:
    models = store(tmp_path)
    for version in ("1.9.0", "1.10.0", "2.0.0-rc1", "1.2.3"):
        models.add(folder(tmp_path / version, autoencoder(), version=version))
    assert [one.version for one in models.entries()] == ["2.0.0-rc1", "1.10.0", "1.9.0", "1.2.3"]
    assert models.resolve("press").version == "1.10.0"
    assert models.resolve("press@2.0.0-rc1").version == "2.0.0-rc1"


def test_versions_are_sorted_by_their_numbers_and_what_comes_before_a_release_is_lower() -> None:
    rising = ["0.9.9", "1.0.0-alpha", "1.0.0-rc2", "1.0.0-rc10", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "10.0.0"]
    shuffled = rising.copy()
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=order) == rising


def test_built_in_models_are_resolved_by_their_prefix_and_stay(tmp_path: Path) -> None:
    folder(tmp_path / "shipped/pump", autoencoder(), model="pump", version="1.2.0")
    models = store(tmp_path)
    entry = models.resolve("builtin:pump")
    assert (entry.version, entry.trusted) == ("1.2.0", True)
    with pytest.raises(ModelUnknown, match="ships with Holdfast"):
        models.remove("builtin:pump")
    with pytest.raises(ModelUnknown, match="there is no model pump") as caught:
        models.resolve("pump")
    assert "did you mean builtin:pump?" in caught.value.hint


def test_a_version_never_changes_and_the_same_one_may_be_added_again(tmp_path: Path) -> None:
    models = store(tmp_path)
    first, _ = models.add(folder(tmp_path / "one", autoencoder()))
    again, _ = models.add(tmp_path / "one" / "model.onnx")
    assert again == first
    with pytest.raises(ModelExists, match=r"press@1\.0\.0 is there already"):
        models.add(folder(tmp_path / "two", autoencoder(), rest="threshold: 3\n"))
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["press"]


def test_what_the_door_refuses_does_not_come_in(tmp_path: Path) -> None:
    models, place = store(tmp_path), folder(tmp_path / "one", autoencoder())
    (place / "model.onnx").write_bytes(b"other")
    with pytest.raises(DigestWrong):
        models.add(place)
    with pytest.raises(ModelTooLarge, match="more than the 100 bytes"):
        models.add(folder(tmp_path / "two", autoencoder()), Options(largest_file=100))
    with pytest.raises(ModelUnknown, match="not of weights"):
        models.add(place / "weights.onnx")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_at_work_is_removed_by_force_only(tmp_path: Path) -> None:
    models = store(tmp_path)
    entry, _ = models.add(folder(tmp_path / "one", autoencoder()))
    held = ModelCache(100_000_000).hold(entry.folder)
    with pytest.raises(ModelInUse, match=r"press@1\.0\.0 is at work"):
        models.remove("press")
    models.remove("press", force=True)
    assert models.entries() == []
    held.release()


def test_a_folder_whose_card_is_broken_or_another_s_is_listed_with_its_problem(tmp_path: Path) -> None:
    models = store(tmp_path)
    folder(tmp_path / "models/press/2.0.0", autoencoder())
    (tmp_path / "models/valve/1.0.0").mkdir(parents=True)
    press, valve = models.entries()
    assert press.problem == "its card is that of press@1.0.0"
    assert "there is no" in valve.problem
    assert models.remove("valve@1.0.0").name == "valve"


def test_what_a_crash_left_is_swept_away_unless_somebody_is_at_it(tmp_path: Path) -> None:
    models = store(tmp_path)
    for name in (".adding-1", ".removing-2"):
        folder(tmp_path / "models" / name, autoencoder())
    assert models.entries() == []
    assert models.sweep() == 2
    assert models.sweep() == 0
