"""A source that has gone leaves values that nobody knows, once, and only who listened to it can say so."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.devices import Ruling
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import OFFLINE
from holdfast.model.gone import MARK, gone_topic
from holdfast.model.series import Catalogue

NOW = 1_795_187_068_000_000_000
FIELDS = "{t: {metric: temperature, unit: Cel}, s: {metric: state, type: text, optional: true}}"
PROFILES = f"""
profiles:
  fast: {{topic: 'fast/{{device}}', fields: {FIELDS}}}
  open: {{topic: 'open/{{device}}', map: {{t: {{metric: temperature, unit: Cel}}, s: {{metric: state, type: text}}}}}}
  inside: {{topic: inside, device: who, fields: {FIELDS}}}
"""
MESSAGE = b'{"t":21.5,"s":"on"}'


@pytest.fixture
def decoder(tmp_path: Path) -> Decoder:
    (tmp_path / "p.yaml").write_text(PROFILES)
    return Decoder(load_profiles([tmp_path / "p.yaml"]), Catalogue(), "gw")


@pytest.mark.parametrize("kind", ["fast", "open"])
def test_what_a_device_told_has_no_value_once_it_has_gone(decoder: Decoder, kind: str) -> None:
    first = decoder.decode([Run(f"{kind}/a", [MESSAGE, MESSAGE], NOW), Run(f"{kind}/b", [MESSAGE], NOW)])
    gone = decoder.decode([Run(gone_topic(f"{kind}/a"), [MARK], NOW + 5)])
    assert not gone.rejected
    assert sorted(gone.batch.series.tolist()) == sorted(set(first.batch.series[:2].tolist()))
    assert np.isnan(gone.batch.value).all()
    assert set(gone.batch.quality.tolist()) == {OFFLINE}
    assert set(gone.batch.ts.tolist()) == {NOW + 5}


def test_it_stands_in_order_among_other_messages(decoder: Decoder) -> None:
    decoder.decode([Run("fast/a", [MESSAGE], NOW)])
    runs = [Run("fast/a", [MESSAGE], NOW), Run(gone_topic("fast/a"), [MARK], NOW), Run("open/b", [MESSAGE], NOW)]
    found = decoder.decode(runs)
    assert found.message.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.isnan(found.batch.value[2:4]).all()


def test_of_a_device_that_never_told_anything_nothing_is_marked(decoder: Decoder) -> None:
    decoder.decode([Run("fast/a", [MESSAGE], NOW), Run("inside", [b'{"who":"c","t":1}'], NOW)])
    runs = [Run(gone_topic(topic), [MARK], NOW) for topic in ("fast/b", "open/b", "inside")]
    found = decoder.decode(runs)
    assert (len(found.batch), found.rejected) == (0, [])


def test_after_a_restart_fields_are_known_from_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PROFILES)
    catalogue = Catalogue()
    Decoder(load_profiles([tmp_path / "p.yaml"]), catalogue, "gw").decode([Run("fast/a", [MESSAGE], NOW)])
    later = Decoder(load_profiles([tmp_path / "p.yaml"]), catalogue, "gw")
    assert len(later.decode([Run(gone_topic("fast/a"), [MARK], NOW)]).batch) == 2


def test_nobody_outside_can_say_it(decoder: Decoder) -> None:
    decoder.decode([Run("fast/a", [MESSAGE], NOW)])
    for payload in (bytes(bytearray(MARK)), MESSAGE, b""):
        found = decoder.decode([Run(gone_topic("fast/a"), [payload], NOW)])
        assert [r.reason for r in found.rejected] == [RejectReason.NO_PROFILE]
        assert not len(found.batch)
    found = decoder.decode([Run(gone_topic("none/a"), [MARK], NOW)])
    assert [r.reason for r in found.rejected] == [RejectReason.NO_PROFILE]


def test_a_device_that_is_refused_is_not_marked(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PROFILES)

    def retired(name: str) -> Ruling:
        return Ruling(name, 1, RejectReason.RETIRED, "it was replaced")

    catalogue = Catalogue()
    Decoder(load_profiles([tmp_path / "p.yaml"]), catalogue, "gw").decode([Run("fast/a", [MESSAGE], NOW)])
    refusing = Decoder(load_profiles([tmp_path / "p.yaml"]), catalogue, "gw", registry=retired)
    assert not len(refusing.decode([Run(gone_topic("fast/a"), [MARK], NOW)]).batch)
