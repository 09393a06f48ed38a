"""All that is watched of one deployment, and what it finds: inputs, predictions, errors, quality of data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.drift.bins import Baseline
from holdfast.inference.lifecycle.drift.counting import BAD, DOUBTED, PATCHED, ROWS
from holdfast.inference.lifecycle.drift.errors import ALARM, Chart, ErrorWatch
from holdfast.inference.lifecycle.drift.findings import Finding, Kind, hours, span_of
from holdfast.inference.lifecycle.drift.watch import KS, LONG, PSI, SHORT, Watch
from holdfast.inference.lifecycle.settings import DriftSettings
from holdfast.model.features import no_flags

Array = NDArray[Any]
MOST_FOUND = 200
"""Findings of one window; of more, those of the first series count."""
_BACK = 0.8
_STATISTIC = {PSI: "PSI", KS: "KS distance"}
_QUALITY = ((BAD, "rows that can't be scored"), (PATCHED, "rows with a filled value"), (DOUBTED, "rows in doubt"))
Place = Callable[[int], tuple[str, str]]
Column = tuple[str, int]


class Monitor:
    """Of one deployment. features: name and width of each; place: node and device of a seat."""

    def __init__(
        self,
        deployment: str,
        features: Sequence[Column],
        labels: int,
        settings: DriftSettings,
        baselines: Mapping[str, Baseline],
        place: Place,
        random: np.random.Generator,
    ) -> None:
        self._deployment, self._features, self._settings, self._place = deployment, tuple(features), settings, place
        self._baselines, self._random, self._labels = dict(baselines), random, labels
        self._found: list[Finding] = []
        self.version = ""
        self.errors = ErrorWatch(round(settings.window_s * 1e9))
        self.inputs = Watch(
            [name for one in features for name in _names(*one)], settings, baselines, random, self._inputs_judged
        )
        self._told = np.zeros((0, len(self.inputs.columns)), bool)
        self._told_quality = np.zeros((0, len(_QUALITY)), bool)
        self.outputs = self._new_outputs()

    def _new_outputs(self) -> Watch:
        self._told_outputs = np.zeros((0, 2), bool)
        names = ["prediction", "label"] if self._labels else ["prediction"]
        return Watch(names, self._settings, self._baselines, self._random, self._outputs_judged)

    def another_version(self, version: str) -> None:
        """Another model acts: what it says and how it errs is learned anew."""
        if self.version:
            self.outputs, self.errors = self._new_outputs(), ErrorWatch(self.errors._pane_ns)  # noqa: SLF001  # its own
        self.version = version

    def resumed(self) -> None:
        """After a restored snapshot: what is alarmed was told before."""
        self._told = self.inputs.limits.any()
        self._told_outputs = self.outputs.limits.any()

    def saw(self, seat: Array, ts: Array, values: Array, flags: Array, now_ns: int) -> None:
        """Rows of features."""
        self.inputs.saw(seat, ts, self._columns(values), flags, now_ns)

    def told(self, seat: Array, ts: Array, score: Array, label: Array, now_ns: int) -> None:
        """What the acting version said."""
        columns = np.stack([score, label.astype(float)], 1) if self._labels else score[:, None]
        self.outputs.saw(seat, ts, columns, no_flags(len(ts)), now_ns)

    def tick(self, now_ns: int) -> list[Finding]:
        """What was found since."""
        self.inputs.tick(now_ns)
        self.outputs.tick(now_ns)
        for seat, chart in self.errors.tick(now_ns):
            self._found.append(self._of_errors(seat, chart, now_ns))
        found, self._found = self._found, []
        return found

    def _columns(self, values: Array) -> Array:
        """One number a column: of a window of raw samples, its mean and its root mean square."""
        if not self._features:  # images: nothing is watched of them but what is said
            return values[:, :0]
        if all(width == 1 for _, width in self._features):
            return values
        parts, at = list[Array](), 0
        for _, width in self._features:
            part = values[:, at : at + width]
            at += width
            if width > 1:
                parts += [part.mean(1), np.sqrt(np.einsum("ij,ij->i", part, part) / width)]
            else:
                parts.append(part[:, 0])
        return np.stack(parts, 1)

    def _inputs_judged(self, number: int) -> None:
        self._told = self._changes(self.inputs, self._told, "drift", number)
        self._judge_quality(number)

    def _outputs_judged(self, number: int) -> None:
        self._told_outputs = self._changes(self.outputs, self._told_outputs, "prediction-drift", number)

    def _changes(self, watch: Watch, told: Array, kind: Kind, number: int) -> Array:
        now: Array = watch.limits.any()
        before = np.zeros_like(now)
        before[: len(told), :] = told[:, : now.shape[1]]
        changed = np.argwhere(now != before)
        seats = watch.seats() if len(changed) else np.empty(0, int)
        limits = (watch.limits.limit(SHORT), watch.limits.limit(LONG)) if len(changed) else ()
        for series, column in changed[:MOST_FOUND].tolist():
            place = ("", "") if series == 0 else self._place(int(seats[series - 1]))
            raised = bool(now[series, column])
            ratio = np.array([
                [_ratio(watch.distance[w, s, series, column], limits[w][s, series, column]) for s in (PSI, KS)]
                for w in (SHORT, LONG)
            ])  # fmt: skip
            alarmed = watch.limits.alarmed[:, :, series, column]
            window, statistic = np.unravel_index(int(np.argmax(np.where(alarmed | (not raised), ratio, -1))), (2, 2))
            value = float(watch.distance[window, statistic, series, column])
            limit = float(limits[window][statistic, series, column])
            if statistic == PSI:
                value, limit = value**2, limit**2
            for_ns = int(watch.limits.above[window, statistic, series, column]) * watch.pane_ns
            end = (number + 1) * watch.pane_ns
            span = span_of(self._settings.window_s if window == SHORT else self._settings.season_s)
            named = f"{_STATISTIC[int(statistic)]} over {span}"
            self._found.append(
                self._finding(
                    kind, place, watch.columns[column], named, (value, limit), (end - for_ns, end), raised=raised
                )
            )
        return now

    def _finding(
        self,
        kind: Kind,
        place: tuple[str, str],
        feature: str,
        statistic: str,
        numbers: tuple[float, float],
        times: tuple[int, int],
        *,
        raised: bool,
    ) -> Finding:
        about = f"{place[1]}: " if place[1] else ""
        what = f"{about}{feature or 'the data'}"
        value, limit = numbers
        if raised:
            ends = {
                "drift": "isn't distributed as it was when the reference was learned",
                "prediction-drift": "isn't distributed as it was when this version began to act",
            }.get(kind, "is worse than allowed")
            message = (
                f"{what} {ends}: {statistic} is {value:.3g}, its limit {limit:.3g}, for {hours(times[1] - times[0])}"
            )
        else:
            message = f"{what} is as it was again: {statistic} is {value:.3g}, its limit {limit:.3g}"
        return Finding(
            kind=kind, deployment=self._deployment, version=self.version, node=place[0], device=place[1],
            feature=feature, statistic=statistic, value=value, limit=limit, since_ns=times[0], at_ns=times[1],
            state="raised" if raised else "cleared", severity="warning" if raised else "info", message=message,
        )  # fmt: skip

    def _judge_quality(self, number: int) -> None:
        watch, limit = self.inputs, self._settings.bad
        counts = watch.quality(self._settings.panes)
        rows = counts[:, ROWS]
        share = counts[:, [kind for kind, _ in _QUALITY]] / np.maximum(rows, 1)[:, None]
        before = np.zeros(share.shape, bool)
        before[: len(self._told_quality)] = self._told_quality
        enough = (rows >= 4 * self._settings.least)[:, None]
        now: Array = np.where(enough, (share > limit) | (before & (share > _BACK * limit)), before)
        changed = np.argwhere(now != before)
        seats = watch.seats() if len(changed) else np.empty(0, int)
        end = (number + 1) * watch.pane_ns
        for series, kind in changed[:MOST_FOUND].tolist():
            place = ("", "") if series == 0 else self._place(int(seats[series - 1]))
            span = span_of(self._settings.season_s)
            named, numbers = f"share of {_QUALITY[kind][1]} over {span}", (float(share[series, kind]), limit)
            raised = bool(now[series, kind])
            self._found.append(self._finding("data-quality", place, "", named, numbers, (end, end), raised=raised))
        self._told_quality = now

    def _of_errors(self, seat: int, chart: Chart, now_ns: int) -> Finding:
        place = ("", "") if seat < 0 else self._place(seat)
        about = f"{place[1]}: " if place[1] else ""
        usual, raised = chart.usual.mean, chart.alarmed
        message = (
            f"{about}predictions are wrong more often than they were: error {chart.last:.3g} of late, "
            f"{usual:.3g} before; the relation that the model learned may have changed"
            if raised
            else f"{about}predictions are as right as they were: error {chart.last:.3g}, {usual:.3g} before"
        )
        return Finding(
            kind="error-drift", deployment=self._deployment, version=self.version, node=place[0], device=place[1],
            statistic="CUSUM of errors by the hour", value=chart.sum, limit=ALARM, since_ns=chart.since_ns,
            at_ns=now_ns, state="raised" if raised else "cleared", severity="warning" if raised else "info",
            message=message,
        )  # fmt: skip


def _names(name: str, width: int) -> list[str]:
    return [name] if width == 1 else [f"{name}.mean", f"{name}.rms"]


def _ratio(value: float, limit: float) -> float:
    return value / limit if np.isfinite(limit) and np.isfinite(value) else 0.0
