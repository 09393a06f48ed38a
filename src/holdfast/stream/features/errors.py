"""What can go wrong with feature sets.

StreamError
├── FeatureSetUnknown  nobody knows a set of that name: the operator names another
├── FeaturesMismatch   a model's card names another set than it would be given: the operator takes the right one
└── FeaturesUnfit      a set can't be put to work as a deployment wants it: the operator mends `from` or `inputs`
"""

from collections.abc import Sequence

from holdfast.stream.errors import StreamError


class FeatureSetUnknown(StreamError):
    """There is no feature set of that name."""

    def __init__(self, name: str, there: Sequence[str], near: str) -> None:
        self.name, self.there = name, tuple(there)
        said = f"there is no feature set `{name}`{near}" if name else "which feature set is meant?"
        super().__init__(said)
        self.hint = f"there are {', '.join(there)}" if there else "the file has none"


class FeaturesUnfit(StreamError):
    """A deployment can't have the set so. faults: (key of the deployment: `from`, `inputs` or `features`, what)."""

    def __init__(self, features: str, deployment: str, faults: Sequence[tuple[str, str]]) -> None:
        self.features, self.deployment, self.faults = features, deployment, tuple(faults)
        told = "; ".join(f"{key}: {fault}" for key, fault in self.faults)
        super().__init__(f"features `{features}` can't be computed for `{deployment}`: {told}")
        self.hint = "see docs/reference/features.md"


class FeaturesMismatch(StreamError):
    """A model's card names other features than these. wanted: what the card says; ref: what there is."""

    def __init__(self, wanted: str, ref: str) -> None:
        self.wanted, self.ref = wanted, ref
        name, _, digest = wanted.partition("@")
        mine, _, there = ref.partition("@")
        if name != mine:
            super().__init__(f"the model was trained on features `{name}`, and these are `{mine}`")
            self.hint = "give it the features.yaml that came with it"
            return
        said = f"has the hash `{digest}` of features `{name}`" if digest else f"says no hash of features `{name}`"
        super().__init__(
            f"the model's card {said}, and what is computed here has `{there}`: select, window, missing or quality "
            "differ from what it was trained on"
        )
        self.hint = f"take the features.yaml that came with it, or train anew and write `features: {ref}` in its card"
