"""What is left of alerts and devices where a series of theirs must stay."""

from types import SimpleNamespace

import numpy as np
from tests.events import alert as event

from holdfast.journal.alerts import Alert
from holdfast.model.lane import Stay
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.node.outlook import Sight, _seen_alerts


def sight(*, has_rules: bool = True) -> Sight:
    catalogue = Catalogue()
    catalogue.rule_by(lambda series: Stay.SITE if series.device == "secret" else Stay.ANYWHERE)
    for device in ("open", "secret"):
        catalogue.intern(Series("gw", device, "temp", "Cel", Kind.FLOAT))
    return Sight("gw", catalogue, has_rules)


def raised(device: str) -> Alert:
    return Alert(1, "gw", device, "hot", "critical", "e", 1, 1, event(1), 0, None, 0, "", "")


def test_alerts_of_devices_that_stay_are_left_out_in_whatever_shape_they_come() -> None:
    seen, hidden = raised("open"), raised("secret")
    assert _seen_alerts([seen, hidden], sight()) == [seen]
    assert _seen_alerts(([seen, hidden], {1: 2}), sight()) == ([seen], {1: 2})
    assert _seen_alerts(hidden, sight()) is None
    assert _seen_alerts(SimpleNamespace(alert=hidden), sight()) is None
    assert _seen_alerts(seen, sight()) is seen


def test_series_that_stay_are_left_out_and_a_site_that_keeps_one_says_so() -> None:
    one = sight(has_rules=False)
    assert one.series(np.array([0, 1], np.int32)).tolist() == [0]
    assert one.names(["gw/open/temp", "gw/secret/temp"]) == ["gw/open/temp"]
    assert one.keeps()


def test_looking_for_devices_makes_no_new_ones() -> None:
    one = sight()
    before = len(one.catalogue.device_names)
    assert one.devices().may_be_known("gw", "open")
    assert not one.devices().may_be_known("gw", "secret")
    assert not one.devices().may_be_known("gw", "nobody")
    assert one.devices().may_be_known("leaf", "nobody")
    assert len(one.catalogue.device_names) == before
