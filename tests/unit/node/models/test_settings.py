"""`models:` in node.yaml: what is refused, and the rule that an alert is short for."""

from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import NodePlan, read_plan

PUMP = "models:\n  deploy:\n    pump:\n      model: builtin:pump-anomaly\n"


def plan(folder: Path, models: str, rules: str = "") -> NodePlan:
    file = folder / "node.yaml"
    (folder / "rules.yaml").write_text(rules or "rules: {}\n")
    file.write_text(f"node: gw\nrules: [rules.yaml]\n{models}")
    return read_plan(file)


def faults(folder: Path, models: str, rules: str = "") -> str:
    with pytest.raises(SettingsInvalid) as raised:
        plan(folder, models, rules)
    return str(raised.value)


def test_an_alert_is_a_rule_over_the_deployments_results_to_alerts_ml(tmp_path: Path) -> None:
    rule, trouble = plan(
        tmp_path, PUMP + "      alert: {when: 'score > 0.8', for: 3 samples, severity: critical}\n"
    ).rules
    assert (rule.name, rule.severity, rule.alarm.hold) == ("ml-pump", "critical", 3)
    assert rule.names == ("score", "label", "confidence", "ms", "version")
    assert [i.metric for i in rule.stage.inputs][:2] == ["ml.pump.score", "ml.pump.label"]
    assert rule.actions[0].topic.render({}) == "alerts/ml"
    assert (trouble.name, trouble.actions[0].topic.render({})) == ("ml-pump-trouble", "alerts/ml")


def test_what_is_wrong_in_an_alert_is_told_of_node_yaml(tmp_path: Path) -> None:
    said = faults(tmp_path, PUMP + "      alert: {when: 'scoer > 0.8'}\n")
    assert "node.yaml:7: models.deploy.pump.alert.when: `scoer` is unknown; did you mean `score`?" in said


def test_a_rule_that_asks_a_model_which_isnt_deployed_is_refused(tmp_path: Path) -> None:
    rules = "rules:\n  hot:\n    when: infer('pmp') > 1\n"
    assert "`pmp`, which `models.deploy` of node.yaml hasn't; there are pump" in faults(tmp_path, PUMP, rules)
    assert "there are none" in faults(tmp_path, "", rules)


def test_a_rule_that_reads_a_part_which_isnt_recorded_is_refused(tmp_path: Path) -> None:
    rules = "rules:\n  hot:\n    when: infer('pump', 'how') = 'rule'\n"
    assert "`models.deploy.pump.record` leaves `how` out" in faults(tmp_path, PUMP, rules)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fallback: [{}]", "a fallback is `last`, `{model: …}` or `{rule: …}`"),
        ("record: [ms]", "`score` or `label` must be in it"),
        ("record: [score, score]", "a part stands twice"),
        ("record: [scores]", "scores"),
        ("model: 'a b'", "model"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_in_its_place(tmp_path: Path, line: str, said: str) -> None:
    text = PUMP if not line.startswith("model") else "models:\n  deploy:\n    pump:\n"
    assert said in faults(tmp_path, f"{text}      {line}\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hybrid: {model: big, below: 0.7}", "there is no `parent` that could be asked"),
        ("hybrid: {model: big}", "`below` or `between` is missing"),
        ("life: {drift: {window: 7h}}", "2 to 48 times into a season"),
        ("images: {folder: pictures}", "takes no pictures"),
        ("images: {}", "the folder that is watched for pictures, or the `topic` they come on"),
        ("images: {topic: 'a/{b'}", "`{b` is no level"),
        ("images: {topic: 'a/{device}', camera: gate}", "stands either here or in the topic"),
        ("images: {topic: a, waiting_bytes: 1kB}", "is less than `most_bytes`"),
        ("inputs: {air.co: hall.co2}", "isn't read by"),
        ("fallback: [{rule: 'lght > 3'}]", "`lght` is unknown"),
        ("fallback: [{model: 'builtin:bearing-fault'}]", "takes bearing-window@"),
    ],
)
def test_what_a_deployment_cannot_mean_is_told_before_the_node_starts(tmp_path: Path, line: str, said: str) -> None:
    text = PUMP.replace("pump-anomaly", "occupancy")
    assert said in faults(tmp_path, f"{text}      {line}\n")


def test_a_model_that_would_be_fed_with_its_own_results_is_refused(tmp_path: Path) -> None:
    text = PUMP.replace("pump-anomaly", "occupancy")
    assert "fed with its own results" in faults(tmp_path, f"{text}      inputs: {{air.co2: ml.pump.score}}\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shadow: nowhere", "node.yaml:7: models.deploy.pump.shadow: there is no model nowhere"),
        ("canary: {model: nowhere, percent: 5}", "node.yaml:7: models.deploy.pump.canary.model: there is no model"),
        ("shadow: 'builtin:occupancy'", "models.deploy.pump.shadow: occupancy@1.0.0 takes occupancy-room@"),
        ("shadow: 'artifact:12'", "node.yaml:7: models.deploy.pump.shadow: '12' is no SHA-256"),
    ],
)
def test_what_is_to_run_beside_it_must_be_there_too(tmp_path: Path, line: str, said: str) -> None:
    assert said in faults(tmp_path, f"{PUMP}      {line}\n")


def test_a_model_is_published_under_a_whole_digest(tmp_path: Path) -> None:
    said = faults(tmp_path, PUMP.replace("builtin:pump-anomaly", "'artifact:12'"))
    assert "node.yaml:6: models.deploy.pump.model: '12' is no SHA-256" in said
    assert plan(tmp_path, PUMP.replace("builtin:pump-anomaly", f"'artifact:{'a' * 64}'")).works


def test_a_model_that_isnt_here_is_a_fault_where_no_parent_may_have_it(tmp_path: Path) -> None:
    assert "there is no model nowhere" in faults(tmp_path, PUMP.replace("builtin:pump-anomaly", "nowhere"))
