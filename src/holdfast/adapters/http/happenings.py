"""What HTTP intake tells the metrics."""

from holdfast.adapters.http.errors import Reason
from holdfast.telemetry.happenings import Happening, Level


class HttpPostRefused(Happening, frozen=True):
    """A post to the intake was turned away, and nothing of it was stored. Quiet in the log: anyone can cause these."""

    level = Level.DEBUG
    metric = "http_posts_refused"
    reason: Reason
