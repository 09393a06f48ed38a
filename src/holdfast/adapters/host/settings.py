"""What an operator may turn on the host adapter (`host:` in node.yaml)."""

from typing import Annotated

import msgspec

from holdfast.kernel.scalars import Duration

TopicLevel = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^/+#$\x00-\x1f]+$")]


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This machine's own readings.

    every:  time between readings
    device: the machine's name as a device; the topic is `host/<device>`
    disk:   a path on the file system to watch
    """

    every: Duration = 2.0
    device: TopicLevel = "host"
    disk: str = "/"
