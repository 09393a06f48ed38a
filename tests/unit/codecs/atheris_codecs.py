"""Coverage-guided fuzzing of all formats with atheris; `make prove` runs it for a minute (`test_atheris.py`).

PYTHONPATH=src:. python tests/unit/codecs/atheris_codecs.py [-max_total_time=60 …libFuzzer's options] [CORPUS…]

The first byte chooses the topic, or a network server's uplink; the rest is the payload. Anything that escapes the
decoder is a finding.
"""

import contextlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["holdfast.codecs"]):
    from tests.unit.codecs.test_fuzz import NOW, TOPICS, all_profiles

    from holdfast.codecs.decoder import Decoder, Run
    from holdfast.codecs.lorawan.uplinks import UplinkInvalid, read_uplink

from holdfast.model.series import Catalogue

with TemporaryDirectory() as folder:
    PROFILES = all_profiles(Path(folder))


DECODER = Decoder(PROFILES, Catalogue(), "gw")


def one_input(data: bytes) -> None:
    """Decode one message, and again behind itself, as births come before data."""
    if not data:
        return
    chosen = data[0] % (len(TOPICS) + 1)
    if chosen == len(TOPICS):
        with contextlib.suppress(UplinkInvalid):
            read_uplink(data[1:], NOW)
    else:
        DECODER.decode([Run(TOPICS[chosen], [data[1:], data[1:]], NOW)])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
