"""What the journal's counters are called as metrics, and what they count: a counter that isn't here has no help.

A counter's part behind the dot is a label. Closed sets are listed, so that each begins at 0; the others are names from
node.yaml (queues, channels, routes) or of rules.
"""

from collections.abc import Mapping
from typing import NamedTuple

from holdfast.codecs.reject import RejectReason
from holdfast.journal.records import GapReason
from holdfast.model.command import State
from holdfast.model.lane import Lane

LANES = tuple(str(int(lane)) for lane in Lane)


class Counted(NamedTuple):
    """help: a sentence; labels: their names; values: of the last label, where they're a closed set.

    falls: it can get smaller, so that it's a gauge
    """

    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    falls: bool = False


def _by_lane(text: str) -> Counted:
    return Counted(text, ("lane",), LANES)


_REASONS = tuple(reason.value for reason in RejectReason)
_GONE = tuple(reason.value for reason in GapReason)
_ENDS = tuple(state.value for state in State if state.is_terminal)
_FILTERED = ("kept", "summaries", "around")

COUNTERS: Mapping[str, Counted] = {
    "messages_received": Counted("Messages from devices, repeats included."),
    "messages_accepted": Counted("Messages that became readings."),
    "messages_rejected": Counted(
        "Messages refused when they came or when judged again, repeats included.", ("reason",), _REASONS
    ),
    "payload_bytes": Counted("Payloads of the messages received."),
    "payload_parts_skipped": Counted("Parts of messages that were left out.", ("reason",)),
    "readings_accepted": Counted("Readings stored, those that rules and models made included."),
    "readings_derived": Counted("Readings that rules made."),
    "readings_inferred": Counted("Readings that models made."),
    "readings_summarised": Counted("Summaries stored in place of readings."),
    "events_accepted": Counted("Events stored."),
    "replies_sent": Counted("Answers that a device's protocol asked for."),
    "dedupe_keys": Counted("Message ids remembered against repeats.", falls=True),
    "rows_committed": _by_lane("Rows stored in the journal."),
    "rows_dropped": _by_lane("Rows dropped here after the parent had them."),
    "rows_shed": Counted(
        "Rows that are gone; less again when damaged ones came back from the parent.", ("lane", "reason"), _GONE, True
    ),
    "quarantine_dropped": Counted("Refused messages that gave way to newer ones in the quarantine."),
    "quarantine_replayed": Counted("Refused messages that were stored after all.", ("reason",), _REASONS),
    "quarantine_moved": Counted("Refused messages that were refused for another reason later.", ("reason",), _REASONS),
    "groups_damaged": Counted("Groups of rows that the disk gave back wrong."),
    "groups_repaired": Counted("Damaged groups that came back from the parent."),
    "rule_rows_shed": Counted("Readings that a throttled rule didn't see.", ("rule",)),
    "rule_keys_refused": Counted("Devices or series beyond a rule's limit.", ("rule",)),
    "app_messages_accepted": Counted("Messages taken from applications."),
    "app_messages_repeated": Counted("Messages of applications that were here already."),
    "queue_queued": Counted("Messages put into a queue that is consumed here.", ("queue",)),
    "queue_acked": Counted("Messages that a consumer finished.", ("queue",)),
    "queue_dropped": Counted("Dead letters thrown away by hand.", ("queue",)),
    "commands_accepted": Counted("Commands to devices taken."),
    "commands_ended": Counted("Commands that ended, by how.", ("state",), _ENDS),
    "commands_answered_late": Counted("Answers of devices to commands that had ended."),
    "commands_forgotten": Counted("Ended commands that gave way to newer ones."),
    "alerts_raised": Counted("Alerts raised."),
    "alerts_renewed": Counted("Open alerts that were raised again."),
    "alerts_cleared": Counted("Alerts that ended."),
    "alerts_acknowledged": Counted("Alerts that somebody acknowledged."),
    "alerts_commented": Counted("Comments that somebody made on alerts."),
    "alerts_confirmed": Counted("Alerts of detectors that somebody confirmed."),
    "alerts_rejected": Counted("Alerts of detectors that somebody rejected."),
    "alerts_forgotten": Counted("Ended alerts that gave way to newer ones."),
    "models_labelled": Counted("Labels of devices for deployed models that somebody gave."),
    "alert_steps_taken": Counted("Steps of escalations that were taken."),
    "channel_made": Counted("Changes of alerts for a channel to tell.", ("channel",)),
    "channel_told": Counted("Changes of alerts that a channel told.", ("channel",)),
    "channel_given_up": Counted("Changes of alerts that nobody was told within retry_for.", ("channel",)),
    "channel_settled": Counted("Changes of alerts that needn't be told any more.", ("channel",)),
    "channel_dropped": Counted("Changes of alerts that gave way to newer ones.", ("channel",)),
    "report_rows": Counted("Rows that are this node's own log lines and steps of traces, for the parent."),
    "filter_rows": Counted("Readings that parent.send is about, by what became of them.", ("what",)),
    "filter_bytes": Counted("Stored bytes of what parent.send is about.", ("what",), _FILTERED),
    "filter_windows": Counted("Times around events whose readings went up after all.", ("what",)),
    "residency_rows": Counted("Rows that residency rules are about, by what became of them.", ("what",)),
    "residency_made": Counted("Rows made to leave in place of rows that stay."),
    "history_rows": Counted("Readings that left the journal for files."),
    "history_left": Counted("Readings in files that went.", ("reason",)),
    "ingest_batches": Counted("Batches taken from children."),
    "ingest_rows": _by_lane("Rows taken from children."),
    "ingest_gap_rows": _by_lane("Rows that children had lost or shed, and said so."),
    "ingest_duplicates": Counted("Rows that children sent again."),
    "sync_branches": Counted("Branches that children's histories made."),
    "route_rows": Counted("Rows that a route has done with.", ("route",)),
    "route_delivered": Counted("Messages that a route delivered.", ("route",)),
    "route_missed": Counted("Rows that the journal let go before a route had delivered them.", ("route",)),
    "route_left_out": Counted("Messages of a route that were too large.", ("route",)),
}
UNKNOWN = Counted("Counted in the journal.", ("what",))
