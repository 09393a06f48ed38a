"""Models' cards and files, as the inference room reads them itself."""

from collections.abc import Callable
from pathlib import Path

from tests.unit.fuzz.harness import MIB, Parse, Parser
from tests.unit.inference import making
from tests.unit.inference.test_card import GOOD

from holdfast.inference.card import parse_card
from holdfast.inference.errors import ModelRefused
from holdfast.inference.runtimes.onnx_file import check_file
from holdfast.kernel.documents import SettingsInvalid

HERE = Path("model.yaml")
FILES = [making.autoencoder(), making.classifier(), making.stuck(), making.endless()]


def _card(data: bytes) -> bool:
    return bool(parse_card(data.decode(errors="replace"), HERE))


def _file(data: bytes) -> bool:
    check_file(HERE, data)
    return True


def _each(parse: Parse) -> Callable[[], Parse]:
    return lambda: parse


PARSERS = (
    Parser("model card", _each(_card), [GOOD.encode(), making.card(b"x").encode()], (SettingsInvalid,), most=64 * MIB),
    Parser("onnx file", _each(_file), FILES, (ModelRefused,)),
)
