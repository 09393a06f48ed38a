"""What a child process is told, and what it tells."""

import msgspec


class Make(msgspec.Struct, frozen=True, tag="make"):
    """Make one candidate. model, calibrate, out: paths; options: of the recipe."""

    recipe: str
    model: str
    calibrate: str
    out: str
    options: dict[str, float | int | str] = {}


class Weigh(msgspec.Struct, frozen=True, tag="weigh"):
    """Load a model in this fresh process, run all rows of x (.npy) through it, keep what it says in `out` (.npz)."""

    model: str
    x: str
    out: str
    batch: int = 64


class Race(msgspec.Struct, frozen=True, tag="race"):
    """Time models by turns on rows of x (.npy)."""

    models: list[str]
    x: str
    batches: list[int]
    threads: int = 1
    seconds: float = 10.0
    seed: int = 1


class Made(msgspec.Struct, frozen=True, tag="made"):
    """A candidate lies at its path. note: what the reader should know of it."""

    note: str = ""


class Weighed(msgspec.Struct, frozen=True, tag="weighed"):
    """memory_bytes: by which the process grew with the model loaded and run; load_s: until the first answer."""

    memory_bytes: int
    load_s: float
    rows: int


class Raced(msgspec.Struct, frozen=True, tag="raced"):
    """ms: of every model and batch size, the calls' times in ms, in the order they were made; cpu_ms: of CPU."""

    ms: list[list[list[float]]]
    cpu_ms: list[list[list[float]]]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """What went wrong, in a sentence. possible: False = this model can't be made so, which is nobody's fault."""

    why: str
    possible: bool = False


Job = Make | Weigh | Race
Answer = Made | Weighed | Raced | Failed
