"""Takes secrets out of what is shown to others. Pure.

Twice: settings are gone through by the names of their keys; then every text that leaves is searched for each secret
that was found there or in a file that the settings name, as it stands and as JSON, URLs and base64 write it. The second
pass is what finds a password that somebody also typed into a rule's message, or that a server sent back.
"""

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import msgspec

GONE = "[redacted]"
SHORTEST = 4
"""Characters: a shorter secret would take half of the words with it."""
_LEAST_VALUE = 8
"""Characters of a URL's value, as in ?key=…: a shorter one is a word or a number."""
_NAMES = re.compile(
    r"pass(word|wd|phrase)?s?$|secret|token$|tokens$|credential|authorization|api_?key|access_?key|private|cookie|pin$",
    re.IGNORECASE,
)

_ALL_BELOW = {"users", "headers"}
_PATHS = {"token_file", "password_file", "users_file", "key_file", "file", "env", "ca", "client_ca", "certificate"}
"""Where a secret is, not what it is."""
_TOKEN = re.compile(r"\bhf1\.\d+\.[A-Za-z0-9_-]{16,}")
"""Holdfast's own tokens, as `crypto.tokens` writes them: of people, kiosks, nodes and applications."""
_WORDS = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_ASSIGNED = re.compile(r"(?i)\b(password|passwd|secret|token|api_?key)(\"?\s*[=:]\s*\"?)[^\s\",;&]{4,}")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>]+", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Does what is called so hold a secret?"""
    return _NAMES.search(name) is not None


class Redactor:
    """Knows the secrets of one node. removed: how often one was taken out."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.removed = 0
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Search for this one, too, from now on."""
        for one in {secret, secret.strip(), *secret.split()} if len(secret) < 4_096 else {secret.strip()}:
            if len(one) < SHORTEST or one == GONE:
                continue
            packed = base64.b64encode(one.encode()).decode().rstrip("=")
            self._forms |= {one, quote(one, safe=""), msgspec.json.encode(one).decode()[1:-1], packed}
        self._pattern = None

    def settings(self, tree: Any, *, in_channels: bool = False) -> Any:
        """A settings tree without its secrets, which are learnt."""
        if isinstance(tree, dict):
            return {key: self._member(str(key), one, in_channels=in_channels) for key, one in tree.items()}
        if isinstance(tree, list):
            return [self.settings(one, in_channels=in_channels) for one in tree]
        if isinstance(tree, str):
            return _URL.sub(lambda found: self._url(found[0], in_channels=in_channels), tree)
        return tree

    def text(self, text: str) -> str:
        """A text without any secret that is known, and without what looks like one."""
        if self._pattern is None and self._forms:
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        if self._pattern is not None:
            text = self._counted(self._pattern, GONE, text)
        text = self._counted(_PEM, GONE, text)
        text = self._counted(_TOKEN, GONE, text)
        text = self._counted(_WORDS, rf"\1 {GONE}", text)
        text = self._counted(_ASSIGNED, rf"\1\2{GONE}", text)
        return _URL.sub(lambda found: self._url(found[0], in_channels=False), text)

    def _member(self, key: str, value: Any, *, in_channels: bool) -> Any:
        in_channels = in_channels or key == "channels"
        if key in _PATHS:
            return value
        if key in _ALL_BELOW or _NAMES.search(key) or (in_channels and key == "topic"):
            return self._all_of(value)
        return self.settings(value, in_channels=in_channels)

    def _all_of(self, value: Any) -> Any:
        """Every text below here is a secret, but for where one is."""
        if isinstance(value, dict):
            return {key: one if str(key) in _PATHS else self._all_of(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._all_of(one) for one in value]
        if value is None or isinstance(value, bool):
            return value
        self.learn(str(value))
        self.removed += 1
        return GONE

    def _url(self, url: str, *, in_channels: bool) -> str:
        """Without login and query; of a channel's only the host, as its path is a secret with many services."""
        try:
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2]
            secrets = [one for one in (parts.username, parts.password) if one]
        except ValueError:
            return GONE
        hidden = in_channels and parts.scheme.startswith("http") and parts.path.strip("/")
        if not (secrets or parts.query or hidden):
            return url
        for one in secrets:
            self.learn(one)
        if in_channels:
            self._learn_query(parts.query)
        if hidden:
            for piece in parts.path.split("/"):
                if len(piece) >= (20 if piece.isalpha() else 8):  # `api` and `services` are words, and no tokens
                    self.learn(piece)
        self.removed += 1
        path = f"/{GONE}" if hidden else parts.path
        netloc = f"{GONE}@{host}" if secrets else host
        return urlunsplit((parts.scheme, netloc, path, GONE if parts.query else "", ""))

    def _learn_query(self, query: str) -> None:
        """As a whole, and each value: a server may name a key in its answer."""
        for one in (query, *(value for _, value in parse_qsl(query) if len(value) >= _LEAST_VALUE)):
            self.learn(one)

    def _counted(self, pattern: re.Pattern[str], by: str, text: str) -> str:
        text, times = pattern.subn(by, text)
        self.removed += times
        return text
