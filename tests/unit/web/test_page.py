import re

from tests.unit.web.doors import call, get, make_deps


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in page.text
    assert "<script>" not in page.text
    assert not re.search(r"\son\w+=|\sstyle=", page.text)
    links = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
    assert {"/static/page.css", "/static/page.js", "/favicon.ico"} <= set(links)
    for link in links:
        assert get(link).status_code == 200, link


def test_scripts_put_text_in_as_text() -> None:
    for name in ("page", "chart"):
        script = get(f"/static/{name}.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "innerHTML" not in script.text
        assert "eval(" not in script.text


def test_a_page_that_the_browser_has_is_not_sent_again() -> None:
    tag = get("/").headers["etag"]
    answer = call(make_deps(), "GET", "/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_only_the_pages_own_files_are_served() -> None:
    assert get("/static/../app.py").status_code == 404
    assert get("/static/%2e%2e/app.py").status_code == 404
