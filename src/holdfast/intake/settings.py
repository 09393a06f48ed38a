"""What an operator may turn about the hot path."""

from msgspec import Struct

from holdfast.kernel.scalars import Duration, Size


class IntakeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`intake:` in node.yaml."""

    max_messages: int = 20_000
    """Messages held between receipt and commit; beyond it the adapters stop reading their sockets."""
    max_bytes: Size = 32 << 20
    """Payload bytes held between receipt and commit; same policy."""
    decide_within: Duration = 0.002
    """How long a message may wait to be decided with others, however long the disk takes (G6); less where deciding is
    quick."""
    commit_pause: Duration = 0.004
    """How long after a commit the next one may begin while no source waits for its receipts (ADR 18); 0 = at once."""
    commit_every: Duration = 0.0
    """How long messages may gather before their commit, and so how long a PUBACK may take; 0 = no longer than the disk
    does. Alerts never wait for it: what decided one commits at once. For flash: each commit rewrites whole pages."""
    checkpoint_every: Duration = 5.0
    """How often the rule engine's state is stored; a restart replays what came after."""
