"""All detectors by name."""

from collections.abc import Mapping, Sequence

from holdfast.stream.detectors import (
    adwin,
    auto,
    bocpd,
    charts,
    discord,
    either,
    forest,
    joint,
    mahalanobis,
    novelty,
    pca,
    points,
    presence,
    seasonal,
    spectral,
)
from holdfast.stream.detectors.ports import Detector, Kind, Scope

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        auto.KIND,
        novelty.KIND,
        either.KIND,
        points.ZSCORE,
        points.MAD,
        points.RATE,
        charts.EWMA,
        charts.CUSUM,
        charts.PAGE_HINKLEY,
        presence.STUCK,
        presence.MISSING,
        seasonal.KIND,
        bocpd.KIND,
        adwin.KIND,
        discord.KIND,
        spectral.KIND,
        forest.KIND,
        joint.JOINT,
        joint.TURN,
        mahalanobis.KIND,
        pca.KIND,
    )
}


class OptionsInvalid(ValueError):
    """A detector isn't known, or isn't to be made with these options; its text says what would be."""


def make(
    name: str, scope: Scope, options: Mapping[str, float] | None = None, columns: int | Sequence[str] = 1
) -> Detector:
    """A detector over so many columns, or over columns that it calls by these names. Raises: OptionsInvalid."""
    names = [f"column {c + 1}" for c in range(columns)] if isinstance(columns, int) else columns
    kind = KINDS.get(name)
    if kind is None:
        raise OptionsInvalid(f"no detector is called {name}; there are {', '.join(sorted(KINDS))}")
    least, most = kind.columns
    if not least <= len(names) <= most:
        many = f"{least}" if least == most else f"{least} to {most}"
        raise OptionsInvalid(f"{name} looks at {many} columns, not at {len(names)}")
    chosen = kind.defaults()
    for option, value in (options or {}).items():
        if option not in chosen:
            raise OptionsInvalid(f"{name} has no option {option}; it has {', '.join(sorted(chosen)) or 'none'}")
        limits = next(o for o in kind.options if o.name == option)
        if not limits.least <= value <= limits.most:
            raise OptionsInvalid(f"{name}: {option} must be from {limits.least:g} to {limits.most:g}, not {value:g}")
        chosen[option] = value
    return kind.make(scope, chosen, names)
