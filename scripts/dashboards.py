"""Writes the Grafana dashboards that ship with Holdfast: python -m scripts.dashboards.

tests/architecture checks that the files are what this makes, that every metric in them exists, and their form.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import msgspec

from scripts.dashboard_panels import FLEET, SITE, Row, Shown
from scripts.grafana import (
    COLUMNS,
    Annotation,
    Annotations,
    ColorMode,
    Dashboard,
    Defaults,
    FieldConfig,
    GridPos,
    Option,
    Panel,
    Source,
    Target,
    Templating,
    Variable,
)

FOLDER = Path(__file__).parents[1] / "src" / "holdfast" / "telemetry" / "shipped" / "dashboards"
LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}
ONE_NUMBER = {
    "colorMode": "value",
    "graphMode": "area",
    "justifyMode": "auto",
    "orientation": "auto",
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "textMode": "auto",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {"legend": LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": ONE_NUMBER,
    "bargauge": {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": ONE_NUMBER["reduceOptions"],
        "showUnfilled": True,
    },
    "state-timeline": {"legend": LEGEND, "mergeValues": True, "rowHeight": 0.8, "showValue": "never"},
    "table": {"cellHeight": "sm", "showHeader": True},
}


def laid_out(rows: Sequence[Row]) -> Iterator[Panel]:
    """The panels of rows, each at its place: from left to right, below one another."""
    number = y = 0
    for row in rows:
        number += 1
        yield Panel(id=number, type="row", title=row.title, grid_pos=GridPos(1, COLUMNS, 0, y))
        y, x, tallest = y + 1, 0, 0
        for shown in row.panels:
            if x + shown.width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            number += 1
            yield panel(shown, number, GridPos(shown.height, shown.width, x, y))
            x, tallest = x + shown.width, max(tallest, shown.height)
        y += tallest


def panel(shown: Shown, number: int, at: GridPos) -> Panel:
    """One panel."""
    is_table = shown.kind == "table"
    targets = tuple(
        Target(
            expr,
            letter,
            legend or "__auto",
            instant=is_table,
            range=not is_table,
            format="table" if is_table else "time_series",
        )
        for letter, (expr, legend) in zip(ascii_uppercase, shown.queries, strict=False)
    )
    custom: dict[str, Any] = {}
    if shown.kind == "timeseries":
        custom = {"drawStyle": "line", "fillOpacity": 30 if shown.stack else 8, "lineWidth": 1, "showPoints": "never"}
        custom |= {"spanNulls": False, "stacking": {"group": "A", "mode": "normal" if shown.stack else "none"}}
    defaults = Defaults(
        shown.unit,
        min=None if is_table else 0,
        max=shown.most,
        color=ColorMode("palette-classic" if shown.kind == "timeseries" else "thresholds"),
        thresholds=shown.thresholds,
        mappings=tuple(shown.mappings),
        custom=custom,
    )
    return Panel(
        id=number,
        type=shown.kind,
        title=shown.title,
        grid_pos=at,
        description=shown.about,
        datasource=Source(),
        targets=targets,
        field_config=FieldConfig(defaults),
        options=OPTIONS[shown.kind],
        transformations=TIDY if is_table else (),
    )


TIDY: tuple[dict[str, Any], ...] = (
    {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True, "job": True}}},
)


def variables(*, is_one: bool) -> Templating:
    """The data source, and the node or nodes."""
    query = "label_values(holdfast_node_info, instance)"
    source = Variable("datasource", "Data source", "datasource", "prometheus")
    node = Variable(
        "instance",
        "Node" if is_one else "Nodes",
        "query",
        {"query": query, "refId": "instance"},
        datasource=Source(),
        definition=query,
        refresh=2,
        sort=1,
        multi=not is_one,
        include_all=not is_one,
        all_value="" if is_one else ".*",
        current=None if is_one else Option(["All"], ["$__all"]),
    )
    return Templating((source, node))


def marks(which: str) -> Annotations:
    """Where our own alerts fired."""
    expr = f'ALERTS{{alertname=~"Holdfast.*",alertstate="firing",{which}}}'
    return Annotations((Annotation("Alerts", expr, title_format="{{alertname}}", text_format="{{instance}}"),))


DASHBOARDS = (
    Dashboard(
        uid="holdfast-site",
        title="Holdfast: one node",
        description="Everything an operator asks of one node: devices, link, journal, rules, process.",
        tags=("holdfast",),
        panels=tuple(laid_out(SITE)),
        templating=variables(is_one=True),
        annotations=marks('instance="$instance"'),
    ),
    Dashboard(
        uid="holdfast-fleet",
        title="Holdfast: all nodes",
        description="The nodes side by side: which are down, behind, full or different from the rest.",
        tags=("holdfast",),
        panels=tuple(laid_out(FLEET)),
        templating=variables(is_one=False),
        annotations=marks('instance=~"$instance"'),
    ),
)


def encoded(dashboard: Dashboard) -> bytes:
    """As it ships."""
    return msgspec.json.format(msgspec.json.encode(dashboard, order="deterministic"), indent=1) + b"\n"


def main() -> None:
    """Write them."""
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_bytes(encoded(dashboard))


if __name__ == "__main__":
    main()
