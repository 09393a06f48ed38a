"""What a simulated site costs: device-points a second through the plant models, and through models, faults and frames.

python -m benchmarks.sim [--devices 1000] [--seconds 30] [--rounds 5] [--only room,mqtt]; prints JSON.

Virtual time, no sockets: the hash of a scenario is computed as `holdfast sim --hash` does. CPU time, the median of the
rounds; `messages_per_s` is also how many devices with a message a second one core could keep up with by that.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from holdfast.sim.ends.table import ENDS, EndMissing, end_kind
from holdfast.sim.plant.chance import Chance
from holdfast.sim.plant.models import MODELS
from holdfast.sim.site.loading import load_scenario
from holdfast.sim.site.running import Stage

START_NS = 1_767_600_000 * 10**9
FAULTS = """
faults:
  - {kind: stuck, each: 60s, for: 10s}
  - {kind: drift, devices: "*-1*", per_hour: 1}
  - {kind: dropout, each: 120s, for: 5s}
"""


def plant(name: str, devices: int, steps: int) -> float:
    """Points a second of CPU through a model alone, a step a second."""
    model = MODELS[name]
    made = model.make(model.params(), devices, Chance(1, name, devices))
    began = time.process_time()
    for n in range(steps):
        made.step(START_NS / 1e9 + n, min(1.0, model.longest_s))
        made.values()
    return devices * len(model.points) * steps / (time.process_time() - began)


def site(protocol: str, devices: int, seconds: int, faults: str) -> tuple[float, float]:
    """Points a second of CPU, and messages, through model, faults, end and hash; rooms, a message a second."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.yaml"
        path.write_text(f"groups: {{g: {{model: room, count: {devices}, protocol: {protocol}}}}}\n{faults}")
        stage = Stage(load_scenario(path), START_NS)
    began = time.process_time()
    stage.hash(seconds)
    cpu = time.process_time() - began
    showings = stage.tally.total.shown + stage.tally.total.silent
    return showings * len(MODELS["room"].points) / cpu, showings / cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    found: dict[str, dict[str, float]] = {}
    for name in MODELS:
        if not only or name in only:
            each = [plant(name, options.devices, options.seconds) for _ in range(options.rounds)]
            found[f"model {name}"] = {"points_per_s": round(statistics.median(each))}
    for protocol in ENDS:
        try:
            end_kind(protocol)
        except EndMissing:
            continue
        for label, faults in (("", ""), (" with faults", FAULTS)):
            if only and protocol not in only:
                continue
            rounds = [site(protocol, options.devices, options.seconds, faults) for _ in range(options.rounds)]
            points, showings = (statistics.median(column) for column in zip(*rounds, strict=True))
            found[f"site {protocol}{label}"] = {
                "points_per_s": round(points),
                "messages_per_s": round(showings),
            }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
