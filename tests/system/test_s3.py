"""The cold store on a foreign S3 server (moto's, as a process of its own)."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.unit.history.lake.site import DAY, START, Site, ask, readings

from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.settings import ColdSettings, HistorySettings, S3Settings
from holdfast.journal.pieces import COLD, WARM
from holdfast.kernel.clock import SystemClock
from holdfast.storage.errors import KeyUnusable, ObjectsUnreachable
from holdfast.storage.patience import Patience
from holdfast.storage.s3 import PART, Bucket, S3Objects, read_credentials

pytestmark = pytest.mark.system
KEY = ("id", "secret")


def call(url: str, method: str = "GET") -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):  # noqa: S310  # our own server
        pass


@contextlib.contextmanager
def s3_server(port: int) -> Iterator[str]:
    server = subprocess.Popen(
        [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                call(f"{url}/moto-api/")
                break
            time.sleep(0.1)
        call(f"{url}/lake", "PUT")
        yield url
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server(free_port()) as url:
        yield url


def bucket(endpoint: str, prefix: str) -> S3Objects:
    return S3Objects(Bucket("lake", prefix, endpoint, key=KEY), 5.0)


def test_objects_come_back_and_the_store_confirms_them(endpoint: str) -> None:
    store = bucket(endpoint, "plain")
    for name, size in (("small", 10), ("one part", PART), ("parts", 2 * PART + 12345)):
        data = os.urandom(size)
        assert store.put(f"readings/{name}", [data[i : i + 65536] for i in range(0, size, 65536)]), name
        assert store.get(f"readings/{name}", 0, size) == data
        assert store.get(f"readings/{name}", size // 2, size // 2 + 3) == data[size // 2 : size // 2 + 3]
    assert len(list(store.names())) == 3
    store.remove("readings/small")
    store.remove("readings/small")
    with pytest.raises(FileNotFoundError):
        store.get("readings/small", 0, 1)


def test_two_nodes_share_a_bucket_by_prefix(endpoint: str) -> None:
    one, other = bucket(endpoint, "gw-1"), bucket(endpoint, "gw-2")
    one.put("readings/a", [b"1"])
    other.put("readings/a", [b"2"])
    assert one.get("readings/a", 0, 1) == b"1"
    assert list(one.names()) == list(other.names()) == [("readings/a", 1)]


def test_days_go_to_the_bucket_and_answers_come_from_there_until_the_server_dies(tmp_path: Path) -> None:
    async def body(url: str, kill: contextlib.ExitStack) -> None:
        settings = HistorySettings(rows=5000, cold=ColdSettings(s3=S3Settings(bucket="lake")))
        clock = SystemClock()
        site = Site(tmp_path, settings, series=2, cold=Patience(bucket(url, "gw"), 5.0, clock))
        rows = [(n % 2, START + n * 30 * 10**9, float(n % 97), 0) for n in range(3 * 2880)]
        await site.keeper.tidy()
        await site.send(readings(rows, [False, True]))
        await site.keeper.take_all()
        site.clock.advance(4 * 86_400)
        await site.keeper.merge_due()
        before = ask(site, START, START + 3 * DAY, None)
        await site.send_all()
        assert {f.places for p in site.keeper.pieces for f in p.files} == {WARM | COLD}
        for piece in site.keeper.pieces:
            await site.keeper._let_go(Step(Deed.EVICT, piece, piece.files, "disk"))
        after = ask(site, START, START + 3 * DAY, None)
        assert after.series == before.series
        assert {source.tier for source in after.sources} == {"cold"}
        kill.close()
        site.lake.close()
        assert site.lake.cold is not None
        for piece in site.keeper.pieces:
            for file in piece.files:
                site.lake.cold.forget(file.name)
        began = clock.monotonic()
        answer = ask(site, START, START + 3 * DAY, None)
        assert clock.monotonic() - began < 6
        assert all(source.note.startswith("not to be had: the bucket lake") for source in answer.sources)
        assert not answer.series[0].ts
        site.close()

    with contextlib.ExitStack() as kill:
        url = kill.enter_context(s3_server(free_port()))
        asyncio.run(body(url, kill))


def test_a_bucket_that_is_not_there_is_named_with_the_cause(endpoint: str) -> None:
    store = S3Objects(Bucket("nowhere", "gw", endpoint, key=KEY), 5.0)
    with pytest.raises(ObjectsUnreachable, match="the bucket nowhere"):
        store.put("a", [b"x"])


def test_credentials_are_read_from_a_file_of_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "aws"
    path.write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = s%cret\n")
    path.chmod(0o600)
    assert read_credentials(path) == ("AKIA", "s%cret")
    path.chmod(0o644)
    with pytest.raises(KeyUnusable, match="open to others"):
        read_credentials(path)
    path.chmod(0o600)
    path.write_text("AKIA:secret")
    with pytest.raises(KeyUnusable, match="no AWS credentials file"):
        read_credentials(path)
