"""The API described as OpenAPI 3.1, from its routes, their docstrings and the structs they speak; and its route.

Every class of this room with a `routes` method is found by itself, whatever a node has switched on. Sync paths aren't
described: docs/reference/sync-protocol.md is theirs. `python scripts/openapi.py` writes it to docs/reference.
"""

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import holdfast.web
from holdfast import __version__
from holdfast.web.answers import Failure
from holdfast.web.door import VIEWER, Need, need_of, needs
from holdfast.web.openapi_types import BYTES, SPOKEN, Spoken
from holdfast.web.parameters import only

_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_QUESTION = re.compile(r"`\?([^`]+)`")
_NAME = re.compile(r"(\w+)=")
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "What every node answers. Errors are `Failure`. People have a session (a cookie, and `Origin` with changes) or a "
    "bearer token, applications a bearer token; without `people` in node.yaml this machine needs neither."
)


class OpenApi:
    """The route of the description."""

    def routes(self) -> list[Route]:
        """The path."""
        return [Route("/api/v1/openapi.json", self.show)]

    @needs(VIEWER)
    async def show(self, request: Request) -> Response:
        """This description, of every path that a node can have."""
        only(request.query_params)
        return Response(await asyncio.to_thread(written), headers={"Cache-Control": "no-cache"}, media_type=_JSON)


_JSON = "application/json"


@cache
def written() -> bytes:
    """The description as text."""
    return msgspec.json.format(msgspec.json.encode(_plain(described()), order="sorted"), indent=1) + b"\n"


def _plain(value: Any) -> Any:
    """Whole numbers as such: `typing` keeps one of two equal annotations, so that 0 or 0.0 is whichever came first."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def described() -> dict[str, Any]:
    """The description."""
    found = [(*_told(route), SPOKEN.get(_named(route), Spoken())) for route in handlers()]
    kinds = sorted({name for *_, spoken in found for name in (spoken.says, spoken.takes) if name})
    shapes, components = msgspec.json.schema_components(
        [Failure, *map(_kind, kinds)], schema_hook=lambda _: {"description": "any JSON"}, ref_template=_REF
    )
    shape_of = dict(zip(kinds, shapes[1:], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, about, spoken in found:
        paths.setdefault(path, {})[method] = about | _bodies(spoken, shape_of, shapes[0])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": __version__, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "holdfast"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def handlers() -> Iterator[Route]:
    """Every HTTP route of this room but pages and sync, by module, one a method."""
    for found in pkgutil.walk_packages(holdfast.web.__path__, "holdfast.web."):
        module = importlib.import_module(found.name)
        for room in vars(module).values():
            if inspect.isclass(room) and room.__module__ == found.name and inspect.isfunction(
                getattr(room, "routes", None)
            ):  # fmt: skip
                yield from _routes_of(room)


def _routes_of(room: Any) -> Iterator[Route]:
    """Its routes, without what it needs to serve them."""
    empty = object.__new__(room)
    empty._deps = _Everything()  # some leave out what a node hasn't got
    for route in empty.routes():
        is_told = isinstance(route, Route) and not route.path.startswith("/api/v1/sync/")
        if is_told:
            yield route


class _Everything:
    """Has whatever is asked for."""

    def __getattr__(self, _: str) -> "_Everything":
        return self


def _named(route: Route) -> str:
    return str(route.endpoint.__qualname__)


def _told(route: Route) -> tuple[str, str, dict[str, Any]]:
    """Path, method, and what is known without shapes."""
    methods = (route.methods or {"GET"}) - {"HEAD"}
    method = next(iter(methods)).lower()
    parts = _PARAMETER.findall(route.path)
    path = _PARAMETER.sub(lambda found: f"{{{found[1]}}}", route.path)
    said = " ".join((inspect.getdoc(route.endpoint) or "").split())
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in parts
    ]
    asked = dict.fromkeys(name for text in _QUESTION.findall(said) for name in _NAME.findall(text))
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in asked]
    about = {"operationId": _named(route).replace(".", "_"), "summary": said, "tags": [_named(route).split(".")[0]]}
    return path, method, about | {"parameters": parameters} | _needed(need_of(route.path, methods, route.endpoint))


def _needed(need: Need) -> dict[str, Any]:
    if need.foreign:
        return {"security": [{"token": []}]}
    if need.role is None:
        return {"security": []}
    return {"security": [{"session": []}, {"token": []}], "x-holdfast-role": str(need.role)}


def _bodies(spoken: Spoken, shape_of: dict[str, Any], failure: Any) -> dict[str, Any]:
    shape = {"type": "string", "format": "binary"} if spoken.media == BYTES else shape_of.get(spoken.says, {})
    if spoken.says.startswith("*"):
        shape = {"type": "array", "items": shape}
    if spoken.media.startswith("text/"):
        shape = {"type": "string"}
    found: dict[str, Any] = {
        "responses": {
            str(spoken.status): {"description": "done", "content": {spoken.media: {"schema": shape}}},
            "default": {"description": "why not", "content": {_JSON: {"schema": failure}}},
        }
    }
    if spoken.takes:
        found["requestBody"] = {"required": True, "content": {_JSON: {"schema": shape_of[spoken.takes]}}}
    return found


def _kind(name: str) -> Callable[..., Any]:
    """The struct of a name in the table."""
    module, _, kind = name.removeprefix("*").partition(":")
    room = f"holdfast.{module}" if "." in module else f"holdfast.web.{module}"
    found: Callable[..., Any] = getattr(importlib.import_module(room), kind)
    return found
