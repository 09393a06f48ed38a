"""The API's description is as the code is, and describes everything with shapes that are there."""

import re
from pathlib import Path

import msgspec

from holdfast.web.openapi import described, handlers, written
from holdfast.web.openapi_types import SPOKEN

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_written_description_is_current() -> None:
    assert (REFERENCE / "openapi.json").read_bytes() == written(), "run `python scripts/openapi.py`"


def test_every_handler_has_its_shapes_and_every_shape_its_handler() -> None:
    names = {route.endpoint.__qualname__ for route in handlers()}
    assert sorted(names - SPOKEN.keys()) == []
    assert sorted(SPOKEN.keys() - names) == []


def test_every_reference_in_it_leads_somewhere_and_every_operation_has_a_name_of_its_own() -> None:
    document = described()
    text = msgspec.json.encode(document).decode()
    schemas = document["components"]["schemas"]
    assert {one for one in re.findall(r"#/components/schemas/([^\"]+)", text) if one not in schemas} == set()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) > 60
    for one in operations:
        in_path = [part["name"] for part in one["parameters"] if part["in"] == "path"]
        assert len(in_path) == len(set(in_path))
        assert one["summary"]


def test_every_path_in_it_is_in_the_reference_people_read() -> None:
    text = (REFERENCE / "http-api.md").read_text()
    plain = re.sub(r"{\w+}", "{}", text)
    missing = []
    for path in described()["paths"]:
        short = re.sub(r"{\w+}", "{}", path)
        tail = short.rsplit("/", 1)[1]
        if short not in plain and f"…/{tail}" not in plain and f"… /{tail}" not in plain:
            missing.append(path)
    assert missing == []
