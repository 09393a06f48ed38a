// One chart of one unit, on uPlot. It draws when it's told to; the page tells it once a frame at most.
import uPlot from "uplot";
import { axes, type Mark, tzDate } from "~/parts/Chart";
import { type Colours, draw, type Level, reach } from "./drawing";
import { drawLanes } from "./lanes";
import type { Scale } from "./state";
import type { Drawn } from "./traces";

const as = (_: uPlot, low: number, high: number): [number, number] => [low, high];

/** What people do to a chart. at, from, to: ms. */
export interface Deeds {
  zoom: (from: number, to: number) => void;
  reset: () => void;
  hover: (at: number | null) => void;
}

export class Panel {
  drawn: Drawn[] = [];
  marks: Mark[] = [];
  levels: Level[] = [];
  /** Already in the shown unit. */
  scale: Scale | undefined;
  private readonly plot: uPlot;
  private readonly watcher: ResizeObserver;
  private range: [number, number] = [0, 1];
  private shown = "";

  constructor(box: HTMLElement, height: number, private readonly colours: Colours, private readonly deeds: Deeds, private readonly isLanes = false) {
    const [across, up] = axes();
    this.plot = new uPlot(
      {
        width: box.clientWidth || 300,
        height,
        ms: 1,
        tzDate,
        legend: { show: false },
        cursor: {
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
          sync: { key: "charts", setSeries: false, scales: ["x", null] },
          bind: { dblclick: () => () => (deeds.reset(), null) },
        },
        scales: { x: { time: true, auto: false, range: as }, y: { auto: false, range: as } },
        axes: [across ?? {}, isLanes ? { ...up, splits: () => [], ticks: { show: false } } : (up ?? {})],
        series: [{}, {}],
        hooks: {
          draw: [(u) => (isLanes ? drawLanes(u, this.drawn, this.marks, this.colours) : draw(u, this.drawn, this.marks, this.levels, this.colours))],
          setSelect: [(u) => this.selected(u)],
          setCursor: [(u) => deeds.hover(u.cursor.left === undefined || u.cursor.left === null || u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x"))],
        },
      },
      [[0, 1], [null, null]],
      box,
    );
    this.watcher = new ResizeObserver(() => {
      this.plot.setSize({ width: box.clientWidth, height });
      this.shown = "";
    });
    this.watcher.observe(box);
    this.bind(this.plot.over);
  }

  destroy(): void {
    this.watcher.disconnect();
    this.plot.destroy();
  }

  /** Lowest and highest value on the scale. */
  get upright(): [number, number] {
    const { min, max } = this.plot.scales["y"] ?? {};
    return [min ?? 0, max ?? 1];
  }

  get canvas(): HTMLCanvasElement {
    return this.plot.ctx.canvas;
  }

  /** Draw this time, when anything is new or it moved by a pixel; says whether it drew. */
  show(from: number, to: number, changed: number): boolean {
    const pixel = (to - from) / Math.max(1, this.plot.bbox.width);
    const key = [Math.floor(from / pixel), Math.round(to - from), changed].join();
    if (key === this.shown) return false;
    this.shown = key;
    this.range = [from, to];
    const [low, high] = this.isLanes ? [0, 1] : reach(this.drawn, from, to, this.levels, this.scale);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: from, max: to });
      this.plot.setScale("y", { min: low, max: high });
      this.plot.redraw(false);
    });
    return true;
  }

  private selected(u: uPlot): void {
    const { left, width } = u.select;
    if (width < 5) return;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.deeds.zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
  }

  /** Wheel zooms about the pointer, sideways it pans; shift and drag pans, as one finger does; two fingers zoom. */
  private bind(over: HTMLElement): void {
    const share = (clientX: number): number => (clientX - over.getBoundingClientRect().left) / Math.max(1, over.clientWidth);
    over.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [from, to] = this.range, span = to - from;
        if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
          const by = ((event.deltaX || event.deltaY) / 600) * span;
          this.deeds.zoom(from + by, to + by);
          return;
        }
        const at = from + share(event.clientX) * span, factor = Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 250);
        this.deeds.zoom(at - (at - from) * factor, at + (to - at) * factor);
      },
      { passive: false },
    );
    over.addEventListener(
      "mousedown",
      (event) => {
        if (!event.shiftKey || event.button) return;
        event.stopImmediatePropagation();
        const [from, to] = this.range, began = share(event.clientX);
        const move = (moved: MouseEvent): void => {
          const by = (began - share(moved.clientX)) * (to - from);
          this.deeds.zoom(from + by, to + by);
        };
        const end = (): void => {
          removeEventListener("mousemove", move);
          removeEventListener("mouseup", end);
        };
        addEventListener("mousemove", move);
        addEventListener("mouseup", end);
      },
      { capture: true },
    );
    this.touch(over, share);
  }

  private touch(over: HTMLElement, share: (clientX: number) => number): void {
    let began: { range: [number, number]; at: number[] } | null = null;
    const places = (event: TouchEvent): number[] => [...event.touches].slice(0, 2).map((touch) => share(touch.clientX)).sort((a, b) => a - b);
    over.addEventListener("touchstart", (event) => {
      began = { range: this.range, at: places(event) };
    }, { passive: true });
    over.addEventListener("touchmove", (event) => {
      const at = places(event);
      if (!began || at.length !== began.at.length) return;
      const [from, to] = began.range, span = to - from, [a = 0, b = a] = began.at, [c = 0, d = c] = at;
      const scale = at.length === 2 && d - c > 0.02 && b - a > 0.02 ? (b - a) / (d - c) : 1;
      const middle = from + ((a + b) / 2) * span, begin = middle - ((c + d) / 2) * span * scale;
      this.deeds.zoom(begin, begin + span * scale);
    }, { passive: true });
    over.addEventListener("touchend", () => {
      began = null;
    }, { passive: true });
  }
}
