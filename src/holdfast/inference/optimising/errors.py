"""What can go wrong while a model is made smaller.

HoldfastError
└── OptimisingError
    ├── LibraryMissing   an extra isn't installed
    ├── ModelUnusable    the model given can't be worked on
    ├── DataUnusable     the rows given can't be used with this model
    └── NotPossible      this candidate can't be made of this model: a row of the table, never the end
"""

from holdfast.kernel.errors import HoldfastError


class OptimisingError(HoldfastError):
    """Something this room can name."""


class LibraryMissing(OptimisingError):
    """A library isn't installed."""

    def __init__(self, library: str, extra: str) -> None:
        self.hint = f"pip install 'holdfast[{extra}]'"
        super().__init__(f"this needs {library}")


class ModelUnusable(OptimisingError):
    """The model given can't be worked on."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        self.hint = hint or "give a file model.onnx, or a folder with a card (model.yaml) and its model"
        super().__init__(sentence)


class DataUnusable(OptimisingError):
    """The rows given can't be used with this model."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        self.hint = hint or "give .npz with x (and y), .csv or .parquet with a column per feature, or a folder"
        super().__init__(sentence)


class NotPossible(OptimisingError):
    """This candidate can't be made of this model."""
