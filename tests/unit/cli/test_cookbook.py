"""The cookbook: each of its rules loads from its file, and does what its golden trace says, however it is run."""

from pathlib import Path

import pytest

from holdfast.cli.rule_files import loaded
from holdfast.stream.language.loading import load_rules
from holdfast.stream.language.settings import RuleText
from holdfast.stream.traces.judging import judge
from holdfast.stream.traces.reading import parse

ROOT = Path(__file__).parents[3]
RULES = ROOT / "examples" / "rules"
BOOK = ROOT / "docs" / "how-to" / "cookbook.md"
NAMES = sorted(path.stem for path in RULES.glob("*.yaml"))
needs_language = pytest.mark.skipif(
    "absent" not in RuleText.__struct_fields__, reason="until the branches of the rules' language are merged"
)


@needs_language
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_of_the_cookbook_does_what_its_golden_trace_says(name: str) -> None:
    path = RULES / "traces" / f"{name}.trace"
    trace = parse(path.read_text(encoding="utf-8"), path)
    assert trace.rules == (f"../{name}.yaml",)
    verdict = judge(trace, load_rules([RULES / f"{name}.yaml"]), 3, restarts=True)
    assert verdict.is_good, "\n".join(verdict.differences)
    assert verdict.events


@needs_language
def test_all_rules_of_the_cookbook_can_be_loaded_together() -> None:
    assert len({rule.name for rule in loaded([RULES])}) >= len(NAMES)


def test_the_cookbook_has_thirty_rules_and_prints_each_as_it_stands_in_its_file() -> None:
    book = BOOK.read_text(encoding="utf-8")
    assert len(NAMES) >= 30
    for name in NAMES:
        assert (RULES / f"{name}.yaml").read_text(encoding="utf-8") in book, name
        assert f"traces/{name}.trace" in book
