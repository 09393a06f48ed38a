from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan

HEAD = "node: gw\nregion: eu-1\n"


def faults(folder: Path, text: str) -> str:
    file = folder / "node.yaml"
    file.write_text(text)
    try:
        read_plan(file)
    except SettingsInvalid as invalid:
        return str(invalid)
    return ""


def test_good_rules_are_read(tmp_path: Path) -> None:
    text = HEAD + (
        "residency:\n"
        "  - {series: 'camera-*/*', stay: site}\n"
        "  - series: 'badge-*/*'\n"
        "    stay: region\n"
        "    alerts: stay\n"
        "    leave: [{pseudonym: device}, {aggregate: mean, step: 15m, min_group: 5, as: floor/n.mean}]\n"
    )
    assert faults(tmp_path, text) == ""


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[{series: nothing, stay: site}]", "names no series"),
        ("[{series: 'a/b', stay: region}, {series: 'a/b', stay: site}]", "in an earlier rule already"),
        ("[{series: 'a/b', stay: here}]", "one of region, site"),
        ("[{series: 'a/b', stay: site, leave: [{}]}]", "either `pseudonym` or `aggregate`"),
        ("[{series: 'a/b', stay: site, leave: [{pseudonym: device, min_group: 9}]}]", "takes no other key"),
        ("[{series: 'a/b', stay: site, leave: [{aggregate: max, as: a/c}]}]", "one of"),
        ("[{series: 'a/b', stay: site, leave: [{aggregate: mean}]}]", "needs a name of its own"),
        ("[{series: 'a/b', stay: site, leave: [{aggregate: mean, as: a/c, min_group: 1}]}]", "at least 2"),
        ("[{series: 'a/b', stay: site, leave: [{aggregate: mean, as: a/c, step: 0s}]}]", "at least 1s"),
        (
            "[{series: 'a/b', stay: site, leave: [{aggregate: mean, as: a/c}, {aggregate: sum, as: a/c}]}]",
            "another aggregate's name",
        ),
    ],
)
def test_a_bad_rule_is_refused_with_its_line(tmp_path: Path, rules: str, said: str) -> None:
    found = faults(tmp_path, f"{HEAD}residency: {rules}\n")
    assert said in found
    assert "node.yaml:3" in found


def test_a_region_to_stay_in_must_be_named_and_what_stays_is_not_summarised(tmp_path: Path) -> None:
    text = "node: gw\nresidency: [{series: 'a/b', stay: region}]\njournal: {stay: {when_full: summarise}}\n"
    found = faults(tmp_path, text)
    assert "needs `region`" in found
    assert "never summarised" in found
