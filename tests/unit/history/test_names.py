import pytest

from holdfast.history.errors import QueryInvalid
from holdfast.history.names import select
from holdfast.model.series import Catalogue, Kind, Series


def catalogue() -> Catalogue:
    known = Catalogue()
    for node, device, metric in [
        ("gw-1", "press-1", "temperature"),
        ("gw-1", "press-2", "temperature"),
        ("gw-2", "press-1", "temperature"),
        ("gw-2", "oven", "air.humidity"),
        ("gw-2", "hall/3", "air.humidity"),
    ]:
        known.intern(Series(node, device, metric, "Cel", Kind.FLOAT))
    return known


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["gw-1/press-1/temperature"], [0]),
        (["press-1/temperature"], [0, 2]),
        (["press-*/temperature"], [0, 1, 2]),
        (["gw-2/*"], [2, 3, 4]),
        (["*"], [0, 1, 2, 3, 4]),
        (["**/air.humidity"], [3, 4]),
        (["hall/3/air.humidity"], [4]),
        (["oven/airxhumidity"], []),
        (["oven/air.humidity", "press-2/*"], [1, 3]),
        ([], []),
    ],
)
def test_a_name_means_its_series(patterns: list[str], ids: list[int]) -> None:
    assert select(catalogue(), patterns).tolist() == ids


@pytest.mark.parametrize("pattern", ["", "temperature", "x/" * 300, "*/a*b*c*d*e*f"])
def test_a_text_that_is_no_name_is_refused(pattern: str) -> None:
    with pytest.raises(QueryInvalid):
        select(catalogue(), [pattern])
