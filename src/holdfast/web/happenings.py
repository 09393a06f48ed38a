"""What the web room tells the log and the metrics."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class WebRequestFailed(Happening, frozen=True):
    """A request met an error that nobody expected; the caller got a 500."""

    level = Level.ERROR
    metric = "web_requests_failed"
    path: str
    error: str


class WebAppRefused(Happening, frozen=True):
    """An application's request was turned away before its messages were believed. Quiet: anyone can cause these."""

    level = Level.DEBUG
    metric = "web_apps_refused"
    reason: Literal["token", "queue", "device", "too_large", "busy", "stalled", "malformed"]


class WebDoorRefused(Happening, frozen=True):
    """A request was turned away at the door. Quiet in the log: anyone can cause these; what people tried is audited."""

    level = Level.DEBUG
    metric = "web_door_refused"
    reason: Literal["host", "origin", "kind", "login", "role"]


class WebQuestionGivenUp(Happening, frozen=True):
    """A question about the past took longer than `api.question_time`; seconds: what that is."""

    level = Level.INFO
    metric = "web_questions_given_up"
    series: str
    seconds: float


class WebChildRefused(Happening, frozen=True):
    """A sync request was turned away before its body was believed. Quiet in the log: anyone can cause these."""

    level = Level.DEBUG
    metric = "web_children_refused"
    reason: Literal["token", "too_large", "busy", "stalled", "malformed"]
