"""`telemetry:` in node.yaml: how the log is written, which readings are traced, and where both go."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Size
from holdfast.reporting.sending import Wanted
from holdfast.telemetry.lines import Style
from holdfast.telemetry.settings import HealthSettings
from holdfast.transport.errors import AddressInvalid
from holdfast.transport.posting import require_web_address
from holdfast.transport.secrets import Secret, secret_findings

Finding = tuple[tuple[str | int, ...], str]
Which = Literal["log", "traces"]
WHICH: tuple[Which, ...] = ("log", "traces")
LEAST_KEPT = 64 << 10
LEAST_SENT = 10_000
KEPT = 4 << 20


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The log on stderr, and how much of it is kept."""

    format: Style = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
    keep: Size | None = None
    """Bytes on disk; 0 = the newest lines in memory only. Absent = 4 MiB, or 0 when the journal is encrypted."""
    send: bool | Literal["error", "warning", "info"] = False
    """Which lines go up to the parent, at least of that level; true = `info`."""


class TraceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which readings are followed on their way, and how much of that is kept."""

    sample: Annotated[float, Meta(ge=0, le=1)] = 0.0001
    """The share of readings; alerts are always followed while it isn't 0."""
    keep: Size | None = None
    """As in `log`."""
    send: bool = False
    """Do the steps go up to the parent?"""


class OtlpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """An OpenTelemetry collector."""

    url: str
    """Of its OTLP/HTTP receiver, as in https://collector.example.com:4318; /v1/traces and /v1/logs are added."""
    headers: dict[str, Secret] = field(default_factory=dict)
    ca: str = ""
    """PEM file of the CA to trust; absent = the system's."""
    plain: bool = False
    """Let it be plain HTTP to another machine."""
    every: Duration = 10.0
    traces: bool = True
    logs: bool | None = None
    """Absent = yes, unless `residency` has rules: log lines name devices."""
    proxy: str = ""
    timeout: Duration = 15.0

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        try:
            require_web_address(self.url, may_be_plain=self.plain)
        except AddressInvalid as error:
            yield ("url",), str(error)
        for name, secret in self.headers.items():
            for where, text in secret_findings(secret):
                yield ("headers", name, *where), text
        if self.every < 1:
            yield ("every",), "expected at least 1s"


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    log: LogSettings = field(default_factory=LogSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    otlp: OtlpSettings | None = None
    metrics: HealthSettings | None = None
    """The node's own health as readings; absent = none."""
    send_per_day: Size = 2_000_000
    """Bytes of texts that `log.send` and `traces.send` may send a day, an eighth of it at once."""

    @property
    def sent(self) -> Wanted:
        """What goes up."""
        send = self.log.send
        return Wanted(send if isinstance(send, str) else "info" if send else "", self.traces.send, self.send_per_day)

    def kept(self, which: Which, *, is_encrypted: bool) -> int:
        """Bytes on disk."""
        keep = self.log.keep if which == "log" else self.traces.keep
        return (0 if is_encrypted else KEPT) if keep is None else keep

    def exports(self, which: Which, *, has_residency: bool) -> bool:
        """Does it go to a collector?"""
        if self.otlp is None:
            return False
        if which == "traces":
            return self.otlp.traces
        return not has_residency if self.otlp.logs is None else self.otlp.logs

    def findings(self, *, is_encrypted: bool, has_residency: bool, has_parent: bool) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from self._of_sending(has_parent=has_parent)
        for which in WHICH:
            kept = self.kept(which, is_encrypted=is_encrypted)
            if 0 < kept < LEAST_KEPT:
                yield (which, "keep"), "expected 0, or at least 64KiB"
            if not kept and self.exports(which, has_residency=has_residency):
                yield (which, "keep"), "what goes to a collector waits on disk for it: write how much, as in 4MiB"
        if self.otlp is not None:
            yield from ((("otlp", *where), text) for where, text in self.otlp.findings())
        if self.metrics is not None:
            yield from ((("metrics", *where), text) for where, text in self.metrics.findings())

    def _of_sending(self, *, has_parent: bool) -> Iterator[Finding]:
        for which, sends in (("log", bool(self.log.send)), ("traces", self.traces.send)):
            if sends and not has_parent:
                yield (which, "send"), "`parent` is missing: there is nobody to send them to"
        if self.send_per_day < LEAST_SENT:
            yield ("send_per_day",), "expected at least 10kB"
