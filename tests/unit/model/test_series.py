import threading

from holdfast.model.series import Catalogue, Kind, Series


def series(n: int, kind: Kind = Kind.FLOAT) -> Series:
    return Series("gw", f"device-{n // 5}", f"metric-{n % 5}", "Cel", kind)


def test_ids_are_dense_and_stable() -> None:
    catalogue = Catalogue()
    assert [catalogue.intern(series(n)) for n in range(200)] == list(range(200))
    assert [catalogue.intern(series(n)) for n in range(200)] == list(range(200))
    assert catalogue.since(198) == [series(198), series(199)]


def test_columns_group_series_by_device_and_metric() -> None:
    catalogue = Catalogue()
    for n in range(150):
        catalogue.intern(series(n))
    assert list(catalogue.device_of[:7]) == [0, 0, 0, 0, 0, 1, 1]
    assert list(catalogue.metric_of[:7]) == [0, 1, 2, 3, 4, 0, 1]
    assert catalogue.device_names[1] == ("gw", "device-1")


def test_another_unit_or_kind_is_another_series() -> None:
    catalogue = Catalogue()
    first = catalogue.intern(series(0))
    assert catalogue.intern(series(0, Kind.TEXT)) != first
    assert list(catalogue.is_text) == [False, True]
    assert catalogue.find(series(0)) == first
    assert catalogue.find(series(9)) is None
    assert catalogue[first].name == "gw/device-0/metric-0"


def test_threads_that_name_the_same_series_get_the_same_id() -> None:
    catalogue = Catalogue()
    found: list[list[int]] = []

    def name_all() -> None:
        found.append([catalogue.intern(series(n)) for n in range(500)])

    threads = [threading.Thread(target=name_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == found[0] for ids in found)
    assert sorted(found[0]) == list(range(500))
