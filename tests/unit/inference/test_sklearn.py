"""Pipelines of scikit-learn, exported by skl2onnx: with probabilities as a tensor, as mappings, or labels only."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.unit.inference.making import folder
from tests.unit.inference.test_door import rows

from holdfast.inference.door import open_model
from holdfast.inference.errors import ModelRefused

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
X = rows(300).astype("f")
NAMES = np.array(["idle", "jammed", "running"])
Y = NAMES[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]


def exported(estimator: Any, opset: Any = 17, **options: Any) -> bytes:
    made: Any = to_onnx(estimator, X[:1], options=options or None, target_opset=opset)
    data: bytes = made.SerializeToString()
    return data


def pipeline(y: Any = Y) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


def classified(at: Path, data: bytes, outputs: str) -> Any:
    inputs = "{features: press, shape: [4], name: X}"
    return open_model(folder(at, data, task="classification", inputs=inputs, outputs=outputs))


@pytest.mark.parametrize(
    ("zipmap", "name", "labels"),
    [
        (True, "output_probability", "[idle, jammed, running]"),
        (True, "output_probability", "[running, idle, jammed]"),
        (False, "probabilities", "[idle, jammed, running]"),  # a tensor's columns have no names
    ],
)
def test_a_pipeline_s_probabilities_are_read_as_a_tensor_or_as_mappings(
    tmp_path: Path, name: str, labels: str, *, zipmap: bool
) -> None:
    fitted = pipeline()
    data = exported(fitted, zipmap=zipmap)
    model = classified(tmp_path, data, f"{{classes: {{name: {name}}}, labels: {labels}}}")
    said, expected = model.predict(X), fitted.predict_proba(X)
    np.testing.assert_allclose(said.confidence, expected.max(axis=1), atol=1e-5)
    assert [model.card.labels[one] for one in said.label] == list(fitted.predict(X))


def test_labels_alone_are_read_by_name_or_number(tmp_path: Path) -> None:
    for at, y, labels in (("a", Y, "[jammed, idle, running]"), ("b", (Y == "idle").astype(int), "[other, idle]")):
        fitted = RandomForestClassifier(5, max_depth=3, random_state=1).fit(X, y)
        model = classified(
            tmp_path / at, exported(fitted, zipmap=False), f"{{labels_from: {{name: label}}, labels: {labels}}}"
        )
        said = model.predict(X)
        expected = [one if isinstance(one, str) else model.card.labels[one] for one in fitted.predict(X).tolist()]
        assert [model.card.labels[one] for one in said.label] == expected
        assert np.isnan(said.confidence).all()


def test_a_label_that_the_card_does_not_know_is_refused_at_the_door(tmp_path: Path) -> None:
    data = exported(pipeline(), zipmap=False)
    with pytest.raises(ModelRefused, match="a class that isn't among `labels`"):
        classified(tmp_path, data, "{labels_from: {name: label}, labels: [go, stop]}")


def test_regressions_and_isolation_forests_give_their_score(tmp_path: Path) -> None:
    inputs = "{features: press, shape: [4], name: X}"
    ridge = Ridge().fit(X, X @ [1, 2, 3, 4])
    outputs = "{score: {name: variable}}"
    place = folder(tmp_path / "r", exported(ridge), task="regression", inputs=inputs, outputs=outputs)
    np.testing.assert_allclose(open_model(place).predict(X).score, ridge.predict(X), atol=1e-4)
    forest = IsolationForest(n_estimators=10, random_state=1).fit(X)
    place = folder(
        tmp_path / "f", exported(forest, {"": 17, "ai.onnx.ml": 3}), inputs=inputs, outputs="{score: {name: scores}}"
    )
    np.testing.assert_allclose(open_model(place).predict(X).score, forest.decision_function(X), atol=1e-4)
