"""The one door for models: `open_model` reads the card, verifies the file, and tries it before anybody may ask it.

In this order, each with an error that says what to do:

1. the card is whole (`card`), and its runtime is installed;
2. the file is no larger than allowed, and its SHA-256 is the card's. The bytes that were hashed are the bytes that
   are run: the file is read once;
3. if a `Trials` is given and hasn't seen it: the model is tried in a process of its own (`trials`), since a file from
   elsewhere may crash, hang or eat memory, and no check made here could tell;
4. it's loaded, and its inputs and outputs are compared with the card's;
5. it answers rows of zeros and of averages, alone and in a batch, with finite numbers of the shape the card says.
"""

import hashlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.answers import Reader
from holdfast.inference.card import Card, load_card
from holdfast.inference.errors import DigestWrong, ModelRefused, ModelTooLarge, ModelUnknown, RunFailed
from holdfast.inference.loaded import Model, usual
from holdfast.inference.runtimes import litert, onnx
from holdfast.inference.runtimes.port import Options, Session, TensorInfo
from holdfast.kernel.clock import Clock, SystemClock

_CHUNK = 1 << 20
_RUNTIMES: dict[str, ModuleType] = {"onnx": onnx, "litert": litert}
_LOGITS = "these aren't probabilities (from 0 to 1, adding up to 1): should the card say `transform: softmax`?"
_ABOUT = 1e-2
"""How far probabilities of a quantised model may be from adding up to 1."""


class Trier(Protocol):
    """Whoever tries models before they're let in: `trials.Trials`."""

    def judge(self, folder: Path, card: Card, options: Options, /) -> int:
        """Bytes that the model took in memory when it was tried, now or at another time.

        Raises:
            ModelRefused: when it isn't fit to be loaded.
        """
        ...


def open_model(
    folder: Path, options: Options | None = None, trier: Trier | None = None, clock: Clock | None = None
) -> Model:
    """A model from its folder, loaded and tried. Blocking, for up to seconds: never on the loop.

    Args:
        folder: with `model.yaml` and the file it names.
        options: how it's run.
        trier: tries files from elsewhere in a process of its own first; None = the file is trusted, as those that
            ship with Holdfast are, or this is that process.
        clock: to say how long it took.

    Raises:
        ModelUnknown: when there is no such folder, card or file.
        SettingsInvalid: with every problem of the card.
        RuntimeMissing, ProviderMissing: when this machine can't run it.
        ModelTooLarge, DigestWrong, ModelHostile, ModelRefused: when it isn't let in.
    """
    options, clock = options or Options(), clock or SystemClock()
    began = clock.monotonic()
    card = load_card(folder)
    path, runtime = folder / card.file, _RUNTIMES[card.kind]
    runtime.library()
    data = verified(path, card, options)
    measured = trier.judge(folder, card, options) if trier is not None else None
    if measured is None:
        runtime.settle()
    before = resident()
    session: Session = runtime.open_session(path, data, options)
    name = _checked(path, card, session)
    mixing = _tried(path, card, session, name)
    memory = measured if measured is not None else resident() - before
    return Model(
        card,
        folder,
        session,
        name=name,
        options=options,
        memory_bytes=max(memory, len(data)),
        load_s=clock.monotonic() - began,
        mixing=mixing,
    )


def runtime_version(card: Card) -> str:
    """The library, with its version, that would run a card's model.

    Raises:
        RuntimeMissing: when it isn't installed.
    """
    version: str = _RUNTIMES[card.kind].version()
    return version


def verified(path: Path, card: Card, options: Options) -> bytes:
    """The file's bytes, which have the card's digest.

    Raises:
        ModelUnknown: when there is no such file.
        ModelTooLarge, ModelRefused, DigestWrong: as they say.
    """
    digest, parts, size = hashlib.sha256(), list[bytes](), 0
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > options.largest_file:
                    raise _too_large(path, os.fstat(file.fileno()).st_size, options)
                digest.update(chunk)
                parts.append(chunk)
    except FileNotFoundError:
        raise ModelUnknown(f"there is no {path}", "the card's `file` names it; it lies beside the card") from None
    except OSError as error:
        raise ModelRefused(path, f"can't be read: {error.strerror}", "whoever runs Holdfast must read it") from None
    if digest.hexdigest() != card.sha256:
        raise DigestWrong(path, card.sha256, digest.hexdigest())
    return b"".join(parts)


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _too_large(path: Path, size: int, options: Options) -> ModelTooLarge:
    sentence = f"{path} has {size:,} bytes, and at most {options.largest_file:,} are allowed"
    return ModelTooLarge(sentence, size, options.largest_file, "`holdfast model optimise` makes models smaller")


def _checked(path: Path, card: Card, session: Session) -> str:
    """The name of the input that is fed; what the model takes and gives is what the card says."""
    inputs = {one.name: one for one in session.inputs}
    if len(inputs) != 1:
        names = ", ".join(inputs) or "none"
        raise ModelRefused(path, f"it has {len(inputs)} inputs ({names})", "export it with one tensor of all features")
    name = card.inputs.name or next(iter(inputs))
    if name not in inputs:
        raise ModelRefused(path, f"it has no input `{name}`", f"write `name: {next(iter(inputs))}` under `inputs`")
    _same_input(path, card, inputs[name])
    outputs = {one.name for one in session.outputs}
    for wanted in Reader(card).wanted:
        if wanted not in outputs:
            said = f"it has no output `{wanted}`"
            raise ModelRefused(path, said, f"`outputs` of the card may name: {', '.join(sorted(outputs))}")
    return name


def _same_input(path: Path, card: Card, there: TensorInfo) -> None:
    said = card.inputs
    if there.dtype != said.dtype:
        hint = f"write `dtype: {there.dtype}` under `inputs`, or export it again"
        raise ModelRefused(path, f"input `{there.name}` is {there.dtype}, and the card says {said.dtype}", hint)
    if not there.shape:
        return  # it doesn't say; the trial will
    sides = there.shape[1:]
    if len(sides) != len(said.shape) or any(
        side not in {None, ours} for side, ours in zip(sides, said.shape, strict=True)
    ):
        theirs = ", ".join("?" if side is None else str(side) for side in sides)
        hint = "write the shape of one row, without the batch's axis"
        raise ModelRefused(path, f"a row of `{there.name}` is [{theirs}], and the card says {list(said.shape)}", hint)


def _tried(path: Path, card: Card, session: Session, name: str) -> float:
    """Ask the model about usual rows, alone and together; how far these answers are apart."""
    model = Model(card, path.parent, session, name=name, options=Options(), memory_bytes=0, load_s=0.0)
    rows = usual(card)
    try:
        alone = np.concatenate([model.predict(rows[at : at + 1]).score for at in range(len(rows))])
        together = model.predict(rows).score
        _sound(path, card, np.concatenate([alone, together]))
        if card.outputs.classes is not None:
            _probable(path, card, model, rows)
    except RunFailed as error:
        hint = "try it with the same rows where it was made: the average of its inputs, and zeros"
        raise ModelRefused(path, f"it can't answer: {error}", hint) from None
    return float(abs(alone - together).max())


def _sound(path: Path, card: Card, score: NDArray[Any]) -> None:
    if not np.isfinite(score).all():
        said = "NaN or infinity" + (", or a class that isn't among `labels`," if card.labels else "")
        hint = "is it trained, and do the card's `mean` and `std` fit it?"
        raise ModelRefused(path, f"it answers {said} to its average input, or to zeros", hint)


def _probable(path: Path, card: Card, model: Model, rows: NDArray[Any]) -> None:
    shares = model.shares(rows)
    if (shares < -_ABOUT).any() or (shares > 1 + _ABOUT).any() or (abs(shares.sum(axis=1) - 1) > _ABOUT).any():
        assert card.outputs.classes is not None  # noqa: S101  # the caller asked
        raise ModelRefused(path, f"`{card.outputs.classes.name}` says {shares[0].round(3).tolist()[:5]}", _LOGITS)
