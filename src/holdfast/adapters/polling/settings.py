"""What an operator may turn on how devices are polled; the keys of every polled protocol."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration, Percent


class PollSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How devices are asked.

    every:         between two polls of a device, unless it says otherwise
    timeout:       longest wait for an answer; of a device whose answers are known to be quicker, less is waited
    failures:      in a row, after which a device is taken for dead and only tried now and then
    retry_max:     longest time between two tries of a dead device
    trouble_share: of a bus' time that tries of failing devices may take while others wait for their turn
    """

    every: Duration = 1.0
    timeout: Duration = 3.0
    failures: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_max: Duration = 60.0
    trouble_share: Percent = 0.1
