"""What is on the Grafana dashboards that ship: rows of panels, each a title and its queries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from scripts.grafana import PanelKind, Step, Thresholds, Unit, ValueMap

ONE, ALL = '{instance="$instance"}', '{instance=~"$instance"}'
CALM = Thresholds()
ZERO_IS_GOOD = Thresholds(steps=(Step("green"), Step("red", 1)))
ONE_IS_GOOD = Thresholds(steps=(Step("red"), Step("green", 1)))
SHARE = Thresholds(steps=(Step("green"), Step("yellow", 0.7), Step("orange", 0.85), Step("red", 0.95)))


def words(**texts: tuple[str, str]) -> tuple[ValueMap, ...]:
    """Words and colours for whole numbers: `n0=("down", "red")`."""
    return (ValueMap({name[1:]: {"text": text, "color": colour} for name, (text, colour) in texts.items()}),)


UP = words(n0=("down", "red"), n1=("up", "green"))
LEVELS = words(n0=("green", "green"), n1=("yellow", "yellow"), n2=("orange", "orange"), n3=("red", "red"))
BALANCED = words(n0=("off", "red"), n1=("balanced", "green"))


class Shown(NamedTuple):
    """A panel before it has its place. queries: (expression, legend)."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: Unit = "short"
    kind: PanelKind = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: Thresholds = CALM
    mappings: Sequence[ValueMap] = ()
    about: str = ""
    stack: bool = False
    most: float | None = None


class Row(NamedTuple):
    """A title and the panels below it."""

    title: str
    panels: Sequence[Shown]


def stat(title: str, expr: str, unit: Unit = "short", **more: Any) -> Shown:
    """A single number."""
    given: dict[str, Any] = {"width": 4, "height": 4} | more
    return Shown(title, [(expr, "")], unit, "stat", **given)


def rate(counter: str, which: str = ONE) -> str:
    """A counter's rate over what the chart shows of one step."""
    return f"rate(holdfast_{counter}_total{which}[$__rate_interval])"


GLANCE = Row(
    "At a glance",
    (
        stat("Node", f"up{ONE}", mappings=UP, thresholds=ONE_IS_GOOD),
        stat("Link", f"holdfast_uplink_up{ONE}", mappings=UP, thresholds=ONE_IS_GOOD),
        stat("Waits for the parent", f"instance:holdfast_backlog_rows:sum{ONE}", about="Rows of all lanes."),
        stat("Journal", f"holdfast_journal_level{ONE}", mappings=LEVELS, about="How scarce room in it is."),
        stat("Open alerts", f"sum(holdfast_alerts_open{ONE})", thresholds=ZERO_IS_GOOD),
        stat("Ledger", f"holdfast_ledger_balanced{ONE}", mappings=BALANCED, thresholds=ONE_IS_GOOD),
    ),
)
DEVICES = Row(
    "Devices",
    (
        Shown(
            "Messages",
            (
                (f"instance:holdfast_messages_received:rate5m{ONE}", "received"),
                (f"instance:holdfast_messages_refused:rate5m{ONE}", "refused"),
            ),
            "ops",
        ),
        Shown("Refused, by reason", ((f"{rate('messages_rejected')} > 0", "{{reason}}"),), "ops", stack=True),
        Shown("Devices by how they are", ((f"holdfast_devices{ONE}", "{{state}}"),), stack=True),
        Shown(
            "How long it takes, p99",
            (
                (f"instance:holdfast_ack_seconds:p99_5m{ONE}", "arrival to acknowledgement"),
                (f"instance:holdfast_decide_seconds:p99_5m{ONE}", "decode and judge"),
                (f"instance:holdfast_journal_commit_seconds:p99_5m{ONE}", "commit"),
            ),
            "s",
            about="Of batches; a message waits no longer than its batch.",
        ),
        Shown("Adapters", ((f"holdfast_adapter_state{ONE} == 1", "{{adapter}}: {{state}}"),), "none", "state-timeline"),
        Shown("Not committed yet", ((f"holdfast_inbox_messages{ONE}", "messages"),)),
    ),
)
LINK = Row(
    "To the parent",
    (
        Shown("Waits, by lane", ((f"holdfast_backlog_rows{ONE}", "lane {{lane}}"),), stack=True),
        Shown("Oldest that waits", ((f"holdfast_backlog_oldest_seconds{ONE}", "lane {{lane}}"),), "s"),
        Shown(
            "Sent, and what the link carries",
            (
                (f"instance:holdfast_uplink_sent_bytes:rate5m{ONE}", "sent"),
                (f"holdfast_uplink_goodput_bytes_per_second{ONE}", "goodput, measured"),
            ),
            "Bps",
        ),
        Shown("Round trip", ((f"holdfast_uplink_rtt_seconds{ONE}", "small calls"),), "s"),
        Shown(
            "Budget",
            (
                (f"holdfast_uplink_budget_used_bytes{ONE}", "used this {{period}}"),
                (f"holdfast_uplink_budget_left_bytes{ONE}", "left this {{period}}"),
            ),
            "bytes",
        ),
        Shown("Pace", ((f"holdfast_uplink_pace{ONE} == 1", "{{pace}}"),), "none", "state-timeline"),
    ),
)
STORAGE = Row(
    "Journal and disk",
    (
        Shown(
            "Journal",
            (
                (f"holdfast_journal_used_bytes{ONE}", "used"),
                (f"holdfast_journal_level_bytes{ONE}", "{{level}} from here"),
                (f"holdfast_journal_quota_bytes{ONE}", "quota"),
            ),
            "bytes",
        ),
        Shown("Rows in it, by lane", ((f"holdfast_journal_rows{ONE}", "lane {{lane}}"),), stack=True),
        Shown("Rows gone, by reason", ((f"sum by (reason) (holdfast_rows_shed{ONE}) > 0", "{{reason}}"),)),
        Shown(
            "Files of the site's memory",
            (
                (f"holdfast_history_bytes{ONE}", "on local disk"),
                (f"holdfast_history_cold_bytes{ONE}", "in the cold store"),
                (f"holdfast_history_quota_bytes{ONE}", "quota"),
            ),
            "bytes",
        ),
        Shown("Free on the disk", ((f"holdfast_disk_free_bytes{ONE}", "free"),), "bytes"),
        Shown(
            "Ledger: residuals",
            (
                (f"holdfast_ledger_residual_rows{ONE}", "lane {{lane}}"),
                (f"holdfast_ledger_residual_messages{ONE}", "messages"),
                (f"holdfast_ledger_residual_child_rows{ONE}", "{{child}}"),
            ),
            about="Each must be 0.",
        ),
    ),
)
RULES = Row(
    "Rules, alerts, people",
    (
        Shown("CPU of the dearest rules", ((f"topk(10, holdfast_rule_cpu_ratio{ONE})", "{{rule}}"),), "percentunit"),
        Shown("Alerts open", ((f"holdfast_alerts_open{ONE}", "{{severity}}"),), stack=True),
        Shown("Waits to be told", ((f"holdfast_channel_waiting{ONE}", "{{channel}}"),)),
    ),
)
PROCESS = Row(
    "The process",
    (
        Shown("Memory", ((f"process_resident_memory_bytes{ONE}", "resident"),), "bytes"),
        Shown("CPU", ((f"rate(process_cpu_seconds_total{ONE}[$__rate_interval])", "of one core"),), "percentunit"),
        Shown(
            "Open files",
            ((f"process_open_fds{ONE}", "open"), (f"process_max_fds{ONE}", "allowed")),
        ),
    ),
)
SITE = (GLANCE, DEVICES, LINK, STORAGE, RULES, PROCESS)

TOTALS = Row(
    "All nodes",
    (
        stat("Nodes up", f"sum(up{ALL})"),
        stat("Nodes down", f"count(up{ALL} == 0) or vector(0)", thresholds=ZERO_IS_GOOD),
        stat("Links down", f"count(holdfast_uplink_up{ALL} == 0) or vector(0)", thresholds=ZERO_IS_GOOD),
        stat("Messages", f"sum(instance:holdfast_messages_received:rate5m{ALL})", "ops"),
        stat("Waits for parents", f"sum(instance:holdfast_backlog_rows:sum{ALL})"),
        stat(
            "Ledgers off", f"count(holdfast_ledger_balanced{ALL} == 0) or vector(0)", thresholds=ZERO_IS_GOOD
        ),
    ),
)  # fmt: skip
COMPARED = Row(
    "Node by node",
    (
        Shown(
            "Links", ((f"holdfast_uplink_up{ALL}", "{{instance}}"),), "none", "state-timeline", 12, mappings=UP,
            thresholds=ONE_IS_GOOD,
        ),
        Shown(
            "Room in the journal", ((f"instance:holdfast_journal_used:ratio{ALL}", "{{instance}}"),), "percentunit",
            "bargauge", 12, thresholds=SHARE, most=1,
        ),
        Shown("Messages", ((f"instance:holdfast_messages_received:rate5m{ALL}", "{{instance}}"),), "ops", width=12),
        Shown("Waits for the parent", ((f"instance:holdfast_backlog_rows:sum{ALL}", "{{instance}}"),), width=12),
        Shown("Refused", ((f"instance:holdfast_messages_refused:ratio5m{ALL}", "{{instance}}"),), "percentunit"),
        Shown("Arrival to being acked, p99", ((f"instance:holdfast_ack_seconds:p99_5m{ALL}", "{{instance}}"),), "s"),
        Shown("Memory", ((f"process_resident_memory_bytes{ALL}", "{{instance}}"),), "bytes"),
        Shown(
            "Silent devices", (('holdfast_devices{instance=~"$instance",state="silent"}', "{{instance}}"),), width=12
        ),
        Shown(
            "Since a child was heard", ((f"time() - holdfast_child_heard_timestamp_seconds{ALL}", "{{child}}"),), "s",
            width=12,
        ),
        Shown(
            "What runs where",
            ((f"holdfast_build_info{ALL} * on (job, instance) group_left (node, role) holdfast_node_info{ALL}", ""),),
            kind="table",
            width=24,
        ),
    ),
)  # fmt: skip
FLEET = (TOTALS, COMPARED)
