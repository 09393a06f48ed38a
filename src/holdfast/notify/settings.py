"""`channels:`, `escalations:` and `alerts:` in node.yaml: who is told of what, by which way."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration
from holdfast.notify.filters import Filter
from holdfast.notify.hours import Hours
from holdfast.notify.templates import template_findings
from holdfast.transport.addresses import MailTls, is_loopback
from holdfast.transport.errors import AddressInvalid
from holdfast.transport.posting import require_web_address
from holdfast.transport.secrets import Secret, secret_findings

Finding = tuple[tuple[str | int, ...], str]
KINDS = ("webhook", "email", "ntfy", "slack", "teams")
MAIL_PORTS: Mapping[MailTls, int] = {"starttls": 587, "tls": 465, "none": 25}
Member = Literal["node", "device", "rule", "severity"]


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every channel over HTTP has."""

    url: Secret
    """https://…, as text or `{file: …}` or `{env: …}`: of many services it's a secret."""
    ca: str = ""
    """PEM of the CA that signed the server's certificate; absent = the CAs that the system trusts."""
    proxy: str = ""
    """URL of an HTTP proxy; the environment's proxy variables are not read."""
    plain: bool = False
    """Allow http:// to other machines: anyone on the way can read the alerts, and tokens in headers."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself: (key, what to do)."""
        yield from ((("url", *where), text) for where, text in secret_findings(self.url))
        if isinstance(self.url, str):
            try:
                require_web_address(self.url, may_be_plain=self.plain)
            except AddressInvalid as error:
                yield ("url",), str(error)


class WebhookSettings(HttpSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """JSON to any server."""

    headers: dict[str, Secret] = field(default_factory=dict)
    """Sent with every call; a value may be `{file: …}` or `{env: …}`."""
    body: Any = None
    """Any JSON; text in it may be a template. Absent = everything (docs/how-to/alerts-to-people.md)."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from super().findings()
        for name, value in self.headers.items():
            yield from ((("headers", name, *where), text) for where, text in secret_findings(value))
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                yield ("headers", name), "is no name of an HTTP header"
        yield from ((("body", *where), text) for where, text in template_findings(self.body))


class NtfySettings(HttpSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """ntfy.sh, or a server of one's own."""

    topic: Secret
    """At ntfy.sh whoever knows it can read it."""
    token: Secret = ""
    """An access token, where the server wants one."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from super().findings()
        for name in ("topic", "token"):
            yield from (((name, *where), text) for where, text in secret_findings(getattr(self, name)))


class EmailSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mail server."""

    host: str
    port: int = 0
    """0 = 587, with `tls: tls` 465, with `tls: none` 25."""
    tls: MailTls = "starttls"
    ca: str = ""
    """PEM of the CA that signed the server's certificate; absent = the CAs that the system trusts."""
    user: str = ""
    password: Secret = ""
    sender: str = field(name="from")
    to: tuple[str, ...]
    subject: str = "{title}"
    """A template."""
    text: str = "{text}\n\n{details}"
    """A template of the body."""

    @property
    def at_port(self) -> int:
        """The port."""
        return self.port or MAIL_PORTS[self.tls]

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from ((("password", *where), text) for where, text in secret_findings(self.password))
        if not self.to:
            yield ("to",), "name at least one recipient"
        for key, address in (("from", self.sender), *(("to", one) for one in self.to)):
            if "@" not in address or any(c.isspace() or c in "<>," for c in address):
                yield (key,), f"`{address[:60]}` is no address such as ops@example.com"
        if not 0 <= self.port < 1 << 16:
            yield ("port",), "a port is 1 to 65535"
        if bool(self.user) != bool(self.password):
            yield ("user",), "`user` and `password` belong together: name both, or none"
        if self.tls == "none" and self.password and not is_loopback(self.host):
            yield ("tls",), "the password could be read on the way: write `starttls` or `tls`"
        for key in ("subject", "text"):
            yield from (((key, *where), text) for where, text in template_findings(getattr(self, key)))


class GroupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What goes into one message."""

    by: tuple[Member, ...] = ("rule",)
    """Alerts that are the same in these may be told together; empty = all may."""
    wait: Duration = 0.0
    """How long the first one waits for others. What waits anyway, as after an outage, is told together in any case."""
    most: Annotated[int, Meta(ge=1, le=500)] = 50
    """Alerts in one message; with so many it doesn't wait."""


class RateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many messages in so long; more wait and are told together."""

    messages: Annotated[int, Meta(ge=1, le=10_000)] = 30
    per: Duration = 60.0


class ChannelSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to tell people: one of `webhook`, `email`, `ntfy`, `slack`, `teams`."""

    webhook: WebhookSettings | None = None
    email: EmailSettings | None = None
    ntfy: NtfySettings | None = None
    slack: HttpSettings | None = None
    """An incoming webhook, of Slack or what speaks like it (Mattermost, Rocket.Chat)."""
    teams: HttpSettings | None = None
    """A workflow's webhook in Microsoft Teams."""
    takes: Filter | None = None
    """Alerts told here, whatever their rule says; absent = only what a rule or an escalation sends here."""
    on: Literal["raised", "cleared", "both"] = "both"
    group: GroupSettings = field(default_factory=GroupSettings)
    repeat: Duration = 0.0
    """Remind so often while an alert is open and nobody has acknowledged it; 0 = never."""
    retry_for: Duration = 86_400.0
    """After so long of failures a message is given up, counted."""
    retry_min: Duration = 1.0
    retry_max: Duration = 60.0
    """Bounds of the jittered pause after a failure."""
    timeout: Duration = 15.0
    """Longest time for one message; then it counts as failed."""
    rate: RateSettings = field(default_factory=RateSettings)
    over: Literal["tell", "drop"] = "tell"
    """An alert that was cleared before it could be told: `tell` = one message that says both, `drop` = none."""
    hours: Hours | None = None
    """When it tells; absent = always."""
    outside: str = ""
    """Channel that tells instead outside these hours; absent = what is to be told waits for them."""
    limit: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    """What may wait; beyond it the oldest is dropped, counted."""

    @property
    def kind(self) -> str:
        """Which way it is."""
        return next((name for name in KINDS if getattr(self, name) is not None), "")

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself: (key, what to do)."""
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            yield (), f"a channel is exactly one of {', '.join(f'`{name}`' for name in KINDS)}"
        for name in given:
            yield from (((name, *where), text) for where, text in getattr(self, name).findings())
        for name in ("retry_for", "retry_min", "timeout"):
            if not getattr(self, name):
                yield (name,), "must be above 0"
        if self.retry_max < self.retry_min:
            yield ("retry_max",), "must not be below `retry_min`"
        if not self.rate.per:
            yield ("rate", "per"), "must be above 0"
        yield from _hours_findings(self.hours, self.outside)
        if self.repeat and self.on == "cleared":
            yield ("repeat",), "a channel that is told only of what is cleared has nothing to remind of"


class StepSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One step of an escalation."""

    channel: str
    after: Duration = 0.0
    """Since the alert was heard of here."""
    hours: Hours | None = None
    """When it's taken; absent = always."""
    outside: str = ""
    """Channel that is told instead outside these hours; absent = the step waits for them, and those after it, too."""


class EscalationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Channels one after another, until somebody acknowledges the alert or it's cleared."""

    steps: tuple[StepSettings, ...]
    takes: Filter | None = None
    """Alerts that begin it, whatever their rule says; absent = only those of rules with `escalate`."""


Escalation = EscalationSettings | tuple[StepSettings, ...]
"""In node.yaml a list of steps is enough."""


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The book of alerts."""

    keep: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    """How many alerts are remembered after they're over."""
    from_parent: bool = True
    """People at the nodes above may acknowledge, comment, confirm, reject and silence this node's alerts."""


def escalation(one: Escalation) -> EscalationSettings:
    """Written out."""
    return one if isinstance(one, EscalationSettings) else EscalationSettings(one)


def findings(channels: Mapping[str, ChannelSettings], escalations: Mapping[str, Escalation]) -> Iterator[Finding]:
    """What contradicts itself: where in node.yaml, and what to do."""
    for name, channel in channels.items():
        yield from ((("channels", name, *where), text) for where, text in channel.findings())
        if said := _outside_finding(name, channels):
            yield ("channels", name, "outside"), said
    for name, one in escalations.items():
        is_list = not isinstance(one, EscalationSettings)
        place = ("escalations", name) if is_list else ("escalations", name, "steps")
        steps = escalation(one).steps
        yield from (((*place, *where), text) for where, text in _step_findings(steps, channels))


def _step_findings(steps: Sequence[StepSettings], channels: Mapping[str, ChannelSettings]) -> Iterator[Finding]:
    if not steps:
        yield (), "an escalation has at least one step"
    for i, step in enumerate(steps):
        if step.channel not in channels:
            yield (i, "channel"), f"there is no channel `{step.channel}` in `channels`"
        if step.outside and step.outside not in channels:
            yield (i, "outside"), f"there is no channel `{step.outside}` in `channels`"
        yield from (((i, *where), text) for where, text in _hours_findings(step.hours, step.outside))
        if i and step.after < steps[i - 1].after:
            yield (i, "after"), "steps stand in order: `after` counts from when the alert was heard of"


def _hours_findings(hours: Hours | None, outside: str) -> Iterator[Finding]:
    if hours is not None:
        yield from ((("hours", *where), text) for where, text in hours.findings())
    elif outside:
        yield ("outside",), "outside of which `hours`?"


def _outside_finding(name: str, channels: Mapping[str, ChannelSettings]) -> str:
    """What is wrong with the channels that tell instead, one after another."""
    seen, at = {name}, channels[name].outside
    while at:
        if at not in channels:
            return f"there is no channel `{at}` in `channels`"
        if at in seen:
            return f"`{at}` is told instead of itself: outside all their hours nobody would be"
        seen.add(at)
        at = channels[at].outside
    return ""
