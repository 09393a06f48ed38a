import asyncio
import re
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.requests import Request
from tests.unit.web.doors import call, get, make_deps

from holdfast.web.page import Files

HTML = {"Accept": "text/html"}
built = pytest.mark.skipif(not files("holdfast.web").joinpath("static", "index.html").is_file(), reason="make web")


@built
def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = get("/", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in page.text
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page.text)
    links = re.findall(r'(?:src|href)="(/static/[^"]*)"', page.text)
    assert len(links) >= 3
    for link in links:
        assert get(link).status_code == 200, link


@built
def test_every_page_has_an_address_of_its_own() -> None:
    assert get("/alerts/7", headers=HTML).text == get("/", headers=HTML).text


@built
def test_hashed_files_are_kept_for_good_and_sent_compressed() -> None:
    name = re.findall(r'src="(/static/assets/[^"]*)"', get("/", headers=HTML).text)[0]
    script = get(name)
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-encoding"] == "gzip"
    assert call(make_deps(), "GET", name, headers={"Accept-Encoding": "identity"}).content == script.content


@built
def test_a_page_that_the_browser_has_is_not_sent_again() -> None:
    tag = get("/").headers["etag"]
    answer = call(make_deps(), "GET", "/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_only_the_pages_own_files_are_served() -> None:
    assert get("/static/../app.py", headers={"Accept": "*/*"}).status_code == 404
    assert get("/static/%2e%2e/app.py").status_code == 404


def test_what_is_no_page_is_told_as_json() -> None:
    for path in ("/api/v1/nothing", "/static/nothing.js"):
        answer = get(path, headers=HTML)
        assert answer.status_code == 404
        assert answer.json()["error"]
    assert get("/nothing", headers={"Accept": "application/json"}).status_code == 404


def test_scripts_of_ours_put_text_in_as_text() -> None:
    for source in Path("web/src").rglob("*.ts*"):
        assert not re.search(r"innerHTML|dangerouslySetInnerHTML|\beval\(|document\.write", source.read_text()), source


def test_a_checkout_without_built_pages_says_what_to_do(tmp_path: Path) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    page = asyncio.run(Files(tmp_path).page(request))
    assert page.status_code == 200
    assert b"make web" in page.body
