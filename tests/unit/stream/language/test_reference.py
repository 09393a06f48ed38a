"""The reference page says what the code takes: every key, aggregate and function, and examples that load."""

import re
from pathlib import Path

import msgspec

from holdfast.stream.language.functions import FUNCTIONS
from holdfast.stream.language.loading import load_rules
from holdfast.stream.language.naming import FACTS
from holdfast.stream.language.plans import AGGREGATES
from holdfast.stream.language.settings import ActionText, LimitsText, RuleText, StoredText
from holdfast.stream.language.staging import ROW_FUNCTIONS

PAGE = (Path(__file__).parents[4] / "docs/reference/rules.md").read_text(encoding="utf-8")
OTHER_NAMES = {"ceiling", "pow", "iif", "substring", "regexp_matches", "regexp_substr"}


def test_every_key_aggregate_and_function_is_on_the_page() -> None:
    keys = [f.encode_name for s in (RuleText, ActionText, StoredText, LimitsText) for f in msgspec.structs.fields(s)]
    wanted = {*keys, *AGGREGATES, *ROW_FUNCTIONS, *FACTS, *FUNCTIONS} - OTHER_NAMES
    assert wanted <= set(re.findall(r"[a-z_0-9]+", PAGE))


def test_the_examples_on_the_page_load(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 6
    for i, example in enumerate(examples):
        path = tmp_path / f"{i}.yaml"
        path.write_text(example if example.startswith("rules:") else f"rules:\n{example}", encoding="utf-8")
        assert load_rules([path])
