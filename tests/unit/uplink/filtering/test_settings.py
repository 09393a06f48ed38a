"""`parent.send`: what contradicts itself is refused with its place; which entry decides."""

from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.lane import Stay
from holdfast.model.series import Kind, Series
from holdfast.node.settings import read_plan
from holdfast.uplink.filtering.rules import NONE, SendPolicy
from holdfast.uplink.filtering.settings import SendRule

NODE = """node: gw
data: data
parent:
  url: https://hub:8443
  ca: ca.pem
  token_file: gw.token
  send:
"""


def refusal(folder: Path, entries: str) -> str:
    path = folder / "gw.yaml"
    path.write_text(NODE + entries)
    with pytest.raises(SettingsInvalid) as refused:
        read_plan(path)
    return "\n".join(f"{problem.line}: {problem.message}" for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("    - {series: '', as: summaries}\n", "8: a series name has 1 to 512 characters"),
        ("    - {series: 'a*b*c*d*e*f', as: nothing}\n", "at most 4 stars"),
        ("    - {series: air.*}\n    - {series: air.*, as: nothing}\n", "9: 'air.*' is in an earlier entry already"),
        ("    - {series: air.*, as: summaries, every: 100ms}\n", "a step has at least 1s"),
        ("    - {series: air.*, around: {before: 1m}}\n", "`as: raw` sends every reading already"),
        ("    - {series: air.*, as: nothing, around: {before: 2h}}\n", "at most 3600s"),
        ("    - {series: air.*, as: nothing, around: {of: [alert.rised]}}\n", "no events 'alert.rised'"),
        ("    - {series: air.*, as: sums}\n", "sums"),
    ],
)
def test_an_entry_that_can_not_be_meant_is_refused_where_it_stands(tmp_path: Path, entries: str, said: str) -> None:
    assert said in refusal(tmp_path, entries)


def test_the_first_entry_that_matches_decides_and_only_about_own_series_that_may_leave() -> None:
    rules = (SendRule("press/air.co2", "raw"), SendRule("air.*", "summaries"), SendRule("other/press/*", "nothing"))
    kept = Series("gw", "secret", "air.co2", "", Kind.FLOAT)
    policy = SendPolicy(rules, "gw", lambda series: Stay.SITE if series == kept else Stay.ANYWHERE)
    names = [
        ("gw", "press", "air.co2"),
        ("gw", "press", "air.h2"),
        ("gw", "hall", "air"),
        ("other", "press", "air.co2"),
    ]
    found = [policy.matching(Series(node, device, metric, "", Kind.FLOAT)) for node, device, metric in names]
    assert found == [NONE, 1, NONE, NONE]
    assert policy.matching(kept) == NONE
