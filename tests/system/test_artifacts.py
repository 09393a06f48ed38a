"""A file published at the hub comes down through a region to a gateway, by real processes that are killed and cut."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.artifact_tree import Tree, eventually, tree

# A cable's loop that ends with a connection open is the test's own; the garbage collector tells of it anywhere.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
NODES = ("hub", "region", "gw")
SIZE = 3_000_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Tree]:
    one = tree(tmp_path)
    yield one
    one.stop()


@pytest.mark.timeout(120)
def test_what_is_published_at_the_hub_reaches_the_gateway_once_and_stays_when_the_links_are_gone(site: Tree) -> None:
    site.bring_up(NODES)
    digest, body = site.publish_file(SIZE)
    asked = [
        subprocess.Popen(["curl", "-sf", f"{site.local('gw')}/api/v1/artifacts/{digest}"], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [one.communicate(timeout=60)[0] == body for one in asked] == [True] * 3
    assert SIZE < site.top.proxy.down_bytes < 1.2 * SIZE
    eventually(lambda: site.has("region", digest) and site.has("gw", digest), site)
    site.kill("hub")
    site.bottom.cut()
    site.kill("gw")
    site.bring_up(["gw"])
    got = site.holdfast("artifact", "get", "gw.yaml", digest, "here.bin")
    assert got.returncode == 0, got.stderr
    assert (site.folder / "here.bin").read_bytes() == body
    absent = site.holdfast("artifact", "get", "gw.yaml", "ab" * 32, "none.bin", "--wait", "0")
    assert absent.returncode != 0
    assert not (site.folder / "none.bin").exists()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_download_goes_on_where_it_was_whoever_is_killed_in_the_middle(site: Tree) -> None:
    size = 16_000_000  # the kernel holds up to 4 MB of what a process sent, and sends it on when that was killed
    site.bring_up(NODES)
    digest, body = site.publish_file(size)
    site.top.proxy.bytes_per_s = site.bottom.proxy.bytes_per_s = 2_000_000
    before = site.top.proxy.down_bytes, site.bottom.proxy.down_bytes
    site.begin("gw", digest)
    for share, victim in ((0.2, "gw"), (0.4, "region"), (0.6, "gw")):
        eventually(lambda share=share: site.fetching("gw").get("held", 0) > share * size, site)  # type: ignore[misc]
        site.kill(victim)
        site.bring_up([victim])
    site.kill("hub")  # the region may have all of it by now
    site.bring_up(["hub"])
    eventually(lambda: site.has("gw", digest), site, 60)
    for cable, was in zip((site.top, site.bottom), before, strict=True):
        came = cable.proxy.down_bytes - was
        assert size < came < 1.2 * size, came  # a kill costs a block, what was in flight, and TLS anew
    got = site.client.get(f"{site.local('gw')}/api/v1/artifacts/{digest}")
    assert got.content == body


@pytest.mark.timeout(120)
def test_a_spoilt_and_then_cut_link_costs_time_but_neither_bytes_nor_ingestion(site: Tree) -> None:
    site.bring_up(NODES)
    digest, body = site.publish_file(SIZE)
    site.bottom.proxy.bytes_per_s, site.bottom.proxy.spoils_every = 1_000_000, 900_000
    site.begin("gw", digest)
    eventually(lambda: site.fetching("gw").get("held", 0) > SIZE // 3, site)
    site.bottom.cut()
    eventually(lambda: "nothing listens there" in site.fetching("gw").get("detail", ""), site)
    stands = site.fetching("gw")
    assert stands["state"] == "waiting"
    assert SIZE // 3 < stands["held"] < SIZE
    began = time.monotonic()
    site.publish(300)  # readings are taken, decided and stored meanwhile
    assert time.monotonic() - began < 15
    late = site.holdfast("artifact", "get", "gw.yaml", digest, "late.bin", "--wait", "0")
    assert late.returncode == 1, late.stdout
    site.bottom.restore()
    eventually(lambda: site.has("gw", digest), site, 60)
    assert site.bottom.proxy.spoilt > 0
    assert site.client.get(f"{site.local('gw')}/api/v1/artifacts/{digest}").content == body


@pytest.mark.timeout(120)
def test_curl_reads_ranges_goes_on_where_it_was_and_is_kept_out_without_a_token(site: Tree) -> None:
    site.bring_up(["hub"])
    digest, body = site.publish_file(SIZE)
    url, ca = f"{site.local('hub')}/api/v1/artifacts/{digest}", str(site.folder / "ca.pem")
    bearer = f"Authorization: Bearer {(site.folder / 'region-up.token').read_text().strip()}"

    def curl(*words: str) -> str:
        command = ["curl", "-sS", "--cacert", ca, "-H", bearer, *words, url]
        return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode("latin-1")

    assert curl("--range", "1000-1999").encode("latin-1") == body[1000:2000]
    assert curl("--range", "-7").encode("latin-1") == body[-7:]
    part = site.folder / "part"
    part.write_bytes(body[:1_234_567])
    curl("-C", "-", "-o", str(part))
    assert part.read_bytes() == body
    status = ("-o", "/dev/null", "-w", "%{http_code} %{size_download}")
    assert curl("--range", "0-9", "-H", f'If-Range: "{digest}"', *status) == "206 10"
    assert curl("--range", "0-9", "-H", 'If-Range: "another"', *status) == f"200 {SIZE}"
    assert curl("--range", f"{SIZE}-", *status).startswith("416")
    head = curl("-I")
    assert f'etag: "{digest}"' in head.lower()
    assert f"content-length: {SIZE}" in head.lower()
    assert curl("-H", f'If-None-Match: "{digest}"', *status) == "304 0"
    bearer = "Authorization: Bearer hf1.0.nobody"
    assert curl(*status).startswith("401")
    assert curl("-X", "PUT", "--data-binary", "x", *status).startswith("4")
