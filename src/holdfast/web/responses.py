"""Answers as JSON; errors as JSON {error, hint}."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from holdfast.history.errors import QueryTooLong
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import Failure
from holdfast.web.errors import Refused
from holdfast.web.happenings import WebQuestionGivenUp

_encoder = msgspec.json.Encoder()
_HINTS = {404: "GET / lists what there is", 405: "see the Allow header"}
# What a caller should wait when the node can't serve now but will by itself.
RETRY_S = 5


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON. Live data: never cached."""
    body = _encoder.encode(value)
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def refused(_: Request, error: Exception) -> Response:
    """The answer to a request that was turned down."""
    assert isinstance(error, Refused)  # noqa: S101  # registered for this type only
    headers = {} if error.retry_after_s is None else {"Retry-After": str(math.ceil(error.retry_after_s))}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(Failure(str(error), error.hint), error.status, headers)


def unable(_: Request, error: Exception) -> Response:
    """The answer when another room can't do its part: 503, as the node itself is well."""
    hint = error.hint if isinstance(error, HoldfastError) else ""
    return answer(Failure(str(error), hint), 503, {"Retry-After": str(RETRY_S)})


def given_up(telemetry: Telemetry, patterns: Sequence[str], error: QueryTooLong) -> Refused:
    """The refusal of a question that takes too long; asking again won't help, so there's no Retry-After."""
    telemetry.emit(WebQuestionGivenUp(series=" ".join(patterns)[:200], seconds=error.seconds))
    return Refused(503, str(error), f"{error.hint}; `api.question_time` in node.yaml is the limit")


def unrouted(_: Request, error: Exception) -> Response:
    """The answer to an unknown path or method."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this type only
    failure = Failure(error.detail.lower(), _HINTS.get(error.status_code, ""))
    return answer(failure, error.status_code, dict(error.headers or {}))
