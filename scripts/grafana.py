"""The part of Grafana's dashboard JSON that our dashboards use, as types, after its CUE schema (schemaVersion 39).

Strict on purpose: what isn't written down here is no field, so that a typo is an error and not a panel without a unit.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

COLUMNS = 24
Unit = Literal[
    "short", "none", "s", "bytes", "Bps", "percentunit", "ops", "rowsps", "dateTimeFromNow", "bool_yes_no", "locale"
]
Colour = Literal["green", "yellow", "orange", "red", "blue", "text", "super-light-blue", "semi-dark-red"]


PanelKind = Literal["timeseries", "stat", "bargauge", "table", "row", "state-timeline"]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Nothing but what's declared."""


class Source(_Strict, frozen=True):
    """Which data source."""

    uid: Literal["${datasource}", "-- Grafana --"] = "${datasource}"
    type: Literal["prometheus", "grafana"] = "prometheus"


class GridPos(_Strict, frozen=True):
    """Where a panel is, in a grid of 24 columns."""

    h: Annotated[int, Meta(ge=1)]
    w: Annotated[int, Meta(ge=1, le=COLUMNS)]
    x: Annotated[int, Meta(ge=0, lt=COLUMNS)]
    y: Annotated[int, Meta(ge=0)]


class Target(_Strict, frozen=True):
    """One query of a panel."""

    expr: Annotated[str, Meta(min_length=1)]
    ref_id: Annotated[str, Meta(pattern="^[A-Z]$")]
    legend_format: str = "__auto"
    instant: bool = False
    range: bool = True
    format: Literal["time_series", "table"] = "time_series"
    editor_mode: Literal["code"] = "code"
    datasource: Source = Source()


class Step(_Strict, frozen=True):
    """A threshold; value None is where the first begins."""

    color: Colour
    value: float | None = None


class Thresholds(_Strict, frozen=True):
    """Colours by value."""

    mode: Literal["absolute", "percentage"] = "absolute"
    steps: tuple[Step, ...] = (Step("green"),)


class ColorMode(_Strict, frozen=True):
    """How colours are chosen."""

    mode: Literal["palette-classic", "thresholds", "fixed", "continuous-GrYlRd"] = "palette-classic"


class ValueMap(_Strict, frozen=True):
    """Words for values."""

    options: dict[str, dict[str, Any]]
    type: Literal["value"] = "value"


class Defaults(_Strict, frozen=True, omit_defaults=True):
    """Of every field of a panel."""

    unit: Unit = "short"
    min: float | None = None
    max: float | None = None
    decimals: int | None = None
    color: ColorMode = ColorMode()
    thresholds: Thresholds = Thresholds()
    mappings: tuple[ValueMap, ...] = ()
    custom: dict[str, Any] = field(default_factory=dict)
    no_value: str = ""


class FieldConfig(_Strict, frozen=True):
    """How values look."""

    defaults: Defaults
    overrides: tuple[dict[str, Any], ...] = ()


class Panel(_Strict, frozen=True, omit_defaults=True):
    """A panel, or the title of a row of them."""

    id: Annotated[int, Meta(ge=1)]
    type: PanelKind
    title: Annotated[str, Meta(min_length=1)]
    grid_pos: GridPos
    description: str = ""
    datasource: Source | None = None
    targets: tuple[Target, ...] = ()
    field_config: FieldConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)
    transformations: tuple[dict[str, Any], ...] = ()
    collapsed: bool = False
    panels: tuple[Any, ...] = ()
    interval: str = ""


class Option(_Strict, frozen=True):
    """What a variable is now."""

    text: str | list[str]
    value: str | list[str]


class Variable(_Strict, frozen=True, omit_defaults=True):
    """A choice at the top of the dashboard."""

    name: Annotated[str, Meta(pattern="^[a-z]+$")]
    label: str
    type: Literal["datasource", "query"]
    query: str | dict[str, str]
    datasource: Source | None = None
    definition: str = ""
    refresh: Literal[0, 1, 2] = 1
    sort: Literal[0, 1] = 0
    multi: bool = False
    include_all: bool = False
    all_value: str = ""
    current: Option | None = None


class Templating(_Strict, frozen=True):
    """The choices."""

    list: tuple[Variable, ...]


class Range(_Strict, frozen=True):
    """What is shown at first; `from` and `to`."""

    from_: str = field(name="from", default="now-6h")
    to: str = "now"


class Annotation(_Strict, frozen=True):
    """Marks on every chart."""

    name: str
    expr: str
    datasource: Source = Source()
    enable: bool = True
    icon_color: Colour = "red"
    title_format: str = ""
    text_format: str = ""
    step: str = "60s"


class Annotations(_Strict, frozen=True):
    """The marks."""

    list: tuple[Annotation, ...]


class Dashboard(_Strict, frozen=True):
    """A dashboard as it's imported."""

    uid: Annotated[str, Meta(pattern="^[a-z-]{3,40}$")]
    title: str
    description: str
    tags: tuple[str, ...]
    panels: tuple[Panel, ...]
    templating: Templating
    annotations: Annotations
    time: Range = field(default_factory=Range)
    refresh: str = "30s"
    timezone: Literal["browser"] = "browser"
    schema_version: Literal[39] = 39
    version: int = 1
    editable: bool = True
    graph_tooltip: Literal[0, 1, 2] = 1
    links: tuple[Any, ...] = ()
