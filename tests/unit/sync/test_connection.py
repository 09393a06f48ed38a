"""What isn't a Holdfast node, and a token that isn't there, are said as what they are."""

import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from holdfast.sync import Node, Unreachable
from holdfast.sync.connection import Connection


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002  # http.server names them
        return


@pytest.fixture
def stranger() -> Iterator[str]:
    """Python's own web server."""
    server = HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_answers_without_json_is_no_node(tmp_path: Path, stranger: str) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    connection = Connection(Node(stranger, token))
    with pytest.raises(Unreachable, match="is no Holdfast node: HTTP 404"):
        connection.ask("GET", "/api/v1/documents/notes", b"", {})
    connection.close()


def test_a_token_that_is_not_there_is_not_taken_for_a_node_that_is_not(tmp_path: Path, stranger: str) -> None:
    connection = Connection(Node(stranger, tmp_path / "token"))
    with pytest.raises(Unreachable, match=r"the token can't be read: .*token"):
        connection.ask("GET", "/", b"", {})
