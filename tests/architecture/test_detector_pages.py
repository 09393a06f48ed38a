"""The page of detectors and its pictures are what the catalogue makes of them: run python -m scripts.detector_pages."""

import re

import numpy as np
import pytest
from scripts.detector_pages import PAGE, PICTURES, picture, section, shown

from holdfast.stream.detectors.catalogue import KINDS

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def the_same_but_for_rounding(old: str, new: str) -> bool:
    """Words are the same, numbers to a dot or a thousandth: processors' last bits differ."""
    if NUMBER.sub("", old) != NUMBER.sub("", new):
        return False
    before, now = (np.array([float(n) for n in NUMBER.findall(text)]) for text in (old, new))
    return np.allclose(before, now, rtol=1e-3, atol=1.0)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_detectors_section_and_picture_are_current(name: str) -> None:
    sample = shown(KINDS[name])
    written = PAGE.read_text().split(f"## {name}\n")[1].split("\n## ")[0]
    assert the_same_but_for_rounding(written, "\n".join(section(KINDS[name], sample)[1:]))
    assert the_same_but_for_rounding((PICTURES / f"{name}.svg").read_text(), picture(KINDS[name], sample))


def test_every_detector_is_on_the_page_and_no_picture_is_left_over() -> None:
    headings = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(KINDS) == sorted(path.stem for path in PICTURES.glob("*.svg"))
