"""`holdfast bench bearing`: faults named from clips of raw acceleration, beside what is known of each.

The folder holds `manifest.json`, a list of clips: name, rpm, fs_hz, fault, and the multiples of the shaft's speed as
bpfo_hz, bpfi_hz, bsf_hz, ftf_hz; and *.npz files with an array of samples by each clip's name.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from holdfast.cli.core import misused
from holdfast.cli.node_api import as_json
from holdfast.cli.progress import counted
from holdfast.cli.words import table

if TYPE_CHECKING:
    from holdfast.stream.vibration.naming import Found

_HINT = "give a folder with manifest.json and *.npz, such as shared/data/bearing"


class Clip(msgspec.Struct, frozen=True):
    """A clip of the manifest; other members aren't read."""

    name: str
    rpm: float
    fs_hz: float
    fault: str
    bpfo_hz: float
    bpfi_hz: float
    bsf_hz: float
    ftf_hz: float


class ClipTold(msgspec.Struct, frozen=True):
    """What was found in a clip; named "none": nothing stands out. Levels in the samples' unit; cpu_ms: of the naming.

    times: how many times the noise's median the line is high, as an amplitude; chance: of noise to make such a claim
    """

    name: str
    known_fault: str
    named: str
    hz: float | None
    expected_hz: float | None
    off_percent: float | None
    times: float | None
    log10_chance: float
    band_hz: tuple[float, float] | None
    rms: float
    kurtosis: float
    crest_factor: float
    cpu_ms: float


def show(folder: Path, json: Path | None) -> int:
    """Read, name, tell."""
    import numpy as np

    try:
        clips = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=list[Clip])
        arrays: dict[str, Any] = {}
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as file:
                arrays |= {name: np.asarray(file[name], np.float64).ravel() for name in file.files}
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        return misused(f"{folder}: {error}", _HINT)
    missing = [clip.name for clip in clips if clip.name not in arrays]
    if missing or not clips:
        return misused(f"{folder}: no samples of {', '.join(missing) or 'any clip'}", _HINT)
    told = [_of_clip(clip, arrays[clip.name]) for clip in counted(clips, "naming faults", len(clips), "clips")]
    if json:
        json.write_text(as_json(told) + "\n")
    typer.echo("\n".join(_lines(told)))
    return 0


def _of_clip(clip: Clip, x: Any) -> ClipTold:
    from holdfast.stream.vibration import levels
    from holdfast.stream.vibration.bearings import Orders
    from holdfast.stream.vibration.naming import diagnose

    shaft = clip.rpm / 60
    orders = Orders(*(hz / shaft for hz in (clip.bpfo_hz, clip.bpfi_hz, clip.bsf_hz, clip.ftf_hz)))
    began = time.process_time()
    found = diagnose(x, clip.fs_hz, shaft, orders)
    ms = 1e3 * (time.process_time() - began)
    shape = levels.rms(x), levels.kurtosis(x), levels.crest_factor(x)
    known = ClipTold(clip.name, clip.fault, "unknown", None, None, None, None, 0.0, None, *shape, ms)
    return known if found is None else _with(known, found)


def _with(told: ClipTold, found: "Found") -> ClipTold:
    chance = round(found.log10_chance, 2)
    if not found.stands_out:
        return msgspec.structs.replace(told, named="none", log10_chance=chance)
    return msgspec.structs.replace(
        told,
        named=found.fault,
        hz=found.hz,
        expected_hz=found.expected_hz,
        off_percent=100 * (found.hz / found.expected_hz - 1),
        times=found.times,
        log10_chance=chance,
        band_hz=found.band,
    )


def _lines(told: list[ClipTold]) -> list[str]:
    head = ["clip", "known", "named", "Hz", "expected", "off", "stands out", "chance", "band", "kurtosis", "CPU"]
    rows = [
        [
            *(one.name, one.known_fault, one.named),
            *(("-",) * 4 if one.hz is None else (f"{one.hz:.1f}", f"{one.expected_hz:.1f}", f"{one.off_percent:+.1f} %",
                                                  f"{one.times:.0f} x")),
            f"1e{one.log10_chance:.0f}" if one.log10_chance < -0.5 else "-",
            "-" if one.band_hz is None else f"{one.band_hz[0]:.0f}-{one.band_hz[1]:.0f} Hz",
            *(f"{one.kurtosis:.1f}", f"{one.cpu_ms:.1f} ms"),
        ]
        for one in told
    ]  # fmt: skip
    return table([head, *rows], (3, 4, 5, 6, 7, 9, 10))
