"""Whether the features beside a model are those that its card means, and how many numbers they make."""

from pathlib import Path

from holdfast.inference.card import FEATURES, Card
from holdfast.inference.errors import ModelRefused
from holdfast.stream.features.errors import FeatureSetUnknown, FeaturesMismatch
from holdfast.stream.features.sets import FeatureSet, demand_match, find
from holdfast.stream.language.featuring import load_features

_SHOWN = 8


def features_of(folder: Path, card: Card) -> FeatureSet | None:
    """The feature set that a model's card names, from the file beside it; None where there is no such file.

    Raises:
        SettingsInvalid: with every problem of the file.
        ModelRefused: when the card means another set, or takes another number of values.
    """
    path = folder / FEATURES
    if not card.inputs.features or not path.exists():
        return None
    try:
        found = find(load_features([path]), card.feature_set)
        if card.feature_hash:
            demand_match(card.inputs.features, found)
    except (FeatureSetUnknown, FeaturesMismatch) as error:
        raise ModelRefused(path, str(error), error.hint) from None
    if found.width != card.width:
        names = ", ".join(found.columns[:_SHOWN]) + (", …" if found.width > _SHOWN else "")
        said = f"{found.name} makes {found.width} numbers ({names}), and the card's `shape` takes {card.width}"
        raise ModelRefused(path, said, "a row has the features in their order; those that are windows have many")
    return found
