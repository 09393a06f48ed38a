"""What codec scripts tell the log and the metrics."""

from typing import ClassVar, Literal

from holdfast.telemetry.happenings import Happening, Level


class CodecScriptFailed(Happening, frozen=True):
    """Calls of codec scripts that failed, by cause."""

    level: ClassVar[Level] = Level.DEBUG
    metric: ClassVar[str] = "codec_script_failures"
    script: str
    fault: Literal["script", "off", "time", "memory", "output", "crash"]
    detail: str


class CodecSwitchedOff(Happening, frozen=True):
    """Codec scripts switched off for a while."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "codec_scripts_switched_off"
    script: str
    reason: str
    seconds: float


class CodecSwitchedOn(Happening, frozen=True):
    """Codec scripts that work again."""

    level: ClassVar[Level] = Level.INFO
    metric: ClassVar[str] = "codec_scripts_switched_on"
    script: str


class CodecWarned(Happening, frozen=True):
    """What codecs warn of beside the values that they give."""

    level: ClassVar[Level] = Level.DEBUG
    metric: ClassVar[str] = "codec_warnings"
    device: str
    warning: str
