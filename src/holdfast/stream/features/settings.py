"""A features document as people write it. Checked for shape here, for meaning in `stream.language.featuring`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration


class Fill(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands for a missing value: one number for all features, or one for each that is named."""

    fill: float | dict[str, float]


class FeatureText(Struct, frozen=True, forbid_unknown_fields=True):
    """One feature set."""

    select: dict[str, str]
    """Feature to the expression that it is, in the language of rules; their order is that of the model's input."""
    version: Annotated[int, Meta(ge=1)] = 1
    """Counted up by people; what tells whether two sets are the same is the hash."""
    source: str = field(default="readings", name="from")
    """Which devices: `readings`, or `readings where device like 'room-%'`."""
    window: str = "none"
    """Which messages one row looks at, as in rules."""
    missing: Literal["last", "skip", "zero"] | Fill = "last"
    """What stands for a value that isn't known: the last that was, nothing (it isn't scored), 0, a number."""
    quality: Literal["good", "uncertain"] = "good"
    """`good`: rows with an uncertain or bad reading in their window aren't scored; `uncertain`: flagged, but scored."""
    every: Duration = 0.0
    """At least so long between two rows of a device, by the readings' time; 0 = a row for every evaluation."""
    description: str = ""


class FeaturesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A features document: feature sets by name."""

    features: dict[str, FeatureText]


class StoredFeatures(Struct, frozen=True):
    """A line as it's kept beside its state, from which it can be compiled again. folder: where its tables lie."""

    features: str
    folder: str
    text: FeatureText
    deployment: str
    source: str = ""
    rename: dict[str, str] = {}
