"""What `holdfast model optimise|bench|compare` print."""

from typing import TYPE_CHECKING

from holdfast.cli.words import plain, size, table

if TYPE_CHECKING:
    from holdfast.inference.optimising.benching import Bench
    from holdfast.inference.optimising.comparing import Apart, Compared, Side
    from holdfast.inference.optimising.report import Report, Row

_WIDE = 110


def optimise_lines(report: "Report") -> list[str]:
    """The table, what each candidate is, and the pick."""
    there = [row for row in report.candidates if not row.why]
    head = ["", "candidate", "size", "packed", "p50", "p99", "CPU", f"CPU of {report.batch}", "x quicker", "memory"]
    head += [report.metric, "loss", "95 %"]
    rows = [_row(row, there[0]) for row in there]
    missing = [f"  {row.name}: not possible: {plain(row.why, _WIDE)}" for row in report.candidates if row.why]
    told = [f"  {row.name}: {row.words}" + (f" ({plain(row.note, _WIDE)})" if row.note else "") for row in there]
    data = f"judged on {report.rows:,} rows of {plain(report.judged_on)}, "
    data += f"calibrated on {report.calibration_rows:,} of {plain(report.calibrated_on)}"
    dots = "with" if report.dot_products else "without"
    return [
        f"{plain(report.model)}, {report.task}; {report.metric}: {report.metric_words}",
        data,
        f"one thread of {plain(report.cpu)}, {dots} INT8 dot products; times in ms",
        "",
        *table([head, *rows], range(2, len(head))),
        "",
        "* nothing is at least as good in size, CPU and loss, and better in one",
        *told,
        *missing,
        "",
        *_pick(report),
    ]


def _row(row: "Row", first: "Row") -> list[str]:
    mark = ("*" if row.front else " ") + (">" if row.picked else " ")
    quicker = f"{first.cpu_ms / row.cpu_ms:.2f} {first.batch_cpu_ms / row.batch_cpu_ms:.2f}"
    loss = "" if row is first else f"{100 * row.loss:+.2f} %"
    span = "" if row is first else f"{100 * row.low:+.2f} to {100 * row.high:+.2f}"
    smaller = f"{size(row.size)}" + ("" if row is first else f" /{first.size / row.size:.2f}")
    return [
        mark, row.name, smaller, size(row.packed), f"{row.p50_ms:.3f}", f"{row.p99_ms:.3f}", f"{row.cpu_ms:.3f}",
        f"{row.batch_cpu_ms:.2f}", quicker, size(row.memory), f"{row.value:.4f}", loss, span,
    ]  # fmt: skip


def _pick(report: "Report") -> list[str]:
    if report.pick is None:
        said = "refused" if report.refused else "nothing to gain"
        return [f"{said}: {report.why}; nothing is written (--max-loss {100 * report.max_loss:g}%)"]
    row, first = report.row(report.pick), report.candidates[0]
    gains = [
        f"{first.size / row.size:.2f} times smaller",
        f"{first.cpu_ms / row.cpu_ms:.2f} times quicker with one row",
    ]
    gains += [f"{first.batch_cpu_ms / row.batch_cpu_ms:.2f} with {report.batch}"]
    lines = [f"pick: {report.pick}, {report.why}: {', '.join(gains)}"]
    return [*lines, f"written: {plain(report.out)}"] if report.out else lines


def bench_lines(told: "Bench") -> list[str]:
    """Times and rates."""
    head = ["rows", "threads", "p50 ms", "p99 ms", "rows/s"]
    rows = [[f"{p.batch:,}", f"{p.threads}", f"{p.p50_ms:.3f}", f"{p.p99_ms:.3f}", f"{p.rows_per_s:,.0f}"]
            for p in told.paces]  # fmt: skip
    costs = f"{size(told.size)}, {size(told.memory)} in memory, first answer after {told.load_ms:.0f} ms"
    made_up = "; on rows made up" if told.random else ""
    return [f"{plain(told.model)}: {costs}{made_up}", "", *table([head, *rows], range(5))]


def compare_lines(told: "Compared") -> list[str]:
    """Side by side, then where they differ."""
    lines = [f"A: {plain(told.a.model)}", f"B: {plain(told.b.model)}", f"{told.rows:,} rows, {told.task}", ""]
    lines += _sides(told)
    span = f"{100 * told.loss_low:+.2f} to {100 * told.loss_high:+.2f}"
    what = told.metric if told.labelled else "agreement"
    lines += ["", f"A's {what} less B's: {100 * told.loss:+.2f} points (95 %: {span})"]
    quicker = f"{told.quicker_low:.2f} to {told.quicker_high:.2f}"
    lines += [f"B is {told.quicker:.2f} times as quick as A with one row, by CPU time (95 %: {quicker})"]
    if told.agreement is not None:
        low, high = 100 * (told.agreement_low or 0), 100 * (told.agreement_high or 0)
        lines += [f"they agree on {100 * told.agreement:.2f} % of the rows (95 %: {low:.2f} to {high:.2f})"]
    if told.p is not None:
        lines += [f"only A is right on {told.only_a}, only B on {told.only_b} (McNemar's p = {told.p:.3g})"]
    if told.apart is not None:
        lines += _apart(told.apart)
    if told.confusion:
        lines += ["", *_confusion(told)]
    return lines


def _apart(far: "Apart") -> list[str]:
    most = f"{far.p50:.3g} in the middle, {far.p99:.3g} in 99 of 100 rows, {far.largest:.3g} at most"
    mean = f"{far.mean:+.3g} on average; RMSE {100 * far.rmse_share:.2g} % of A's deviation"
    return [f"scores differ by {most}; B's are {mean}"]


def _confusion(told: "Compared") -> list[str]:
    names = [plain(name, 16) for name in told.labels[: len(told.confusion)]]
    counted = zip(names, told.confusion, strict=False)  # there may be classes that neither says
    rows = [[name, *(f"{n:,}" for n in row[: len(names)])] for name, row in counted]
    return table([["A says \\ B says", *names], *rows], range(1, len(names) + 1))


def _sides(told: "Compared") -> list[str]:
    head = ["", "size", "memory", "first answer", "p50 ms", "p99 ms", f"p50 of {told.batch}"]
    head += [told.metric, "95 %"] if told.labelled else []
    return table([head, _side("A", told.a), _side("B", told.b)], range(1, len(head)))


def _side(name: str, side: "Side") -> list[str]:
    cells = [name, size(side.size), size(side.memory), f"{side.load_ms:.0f} ms", f"{side.p50_ms:.3f}"]
    cells += [f"{side.p99_ms:.3f}", f"{side.batch_p50_ms:.2f}"]
    if side.value is None:
        return cells
    span = "" if side.low is None or side.high is None else f"{side.low:.4f} to {side.high:.4f}"
    return [*cells, f"{side.value:.4f}", span]
