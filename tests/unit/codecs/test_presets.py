from typing import Any

import pytest
from tests.unit.codecs.golden import HERE, PRESETS, Desk, judge, lines, payload_of, shared, topic_of


def cases() -> list[Any]:
    found = list(lines(HERE / "presets.jsonl"))
    folder = shared()
    if folder is not None:
        found += lines(folder / "payloads" / "payloads.jsonl")
    return [pytest.param(case, id=case["id"]) for case in found]


BY_ID = {param.values[0]["id"]: param.values[0] for param in cases()}


@pytest.mark.parametrize("case", cases())
def test_a_vendors_message_means_what_its_maker_says(case: dict[str, Any]) -> None:
    desk = Desk(PRESETS[case["protocol"]])
    context = case.get("context", {})
    for retained in context.get("retained", ()):
        assert desk.read(retained["topic"], str(retained["payload"]).encode()).rejected == []
    if "after" in context:
        before = BY_ID[context["after"]]
        assert desk.read(topic_of(before), payload_of(before)).rejected == []
    assert judge(case, desk.read(topic_of(case), payload_of(case))) == []
