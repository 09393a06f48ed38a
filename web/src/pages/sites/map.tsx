// Sites on an outline of the world's land: drawn here, from nothing but what the page brought along.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { height as mapHeight, path as land, width as mapWidth } from "virtual:land";
import { mood, type SiteRow } from "~/lib/sites";
import { Button } from "~/parts/basic";

const NORTH = 83, SOUTH = -58;
const CLOSEST = 120, NEAR_PX = 30, LABELS = 40;
const STEP_PX = 70;

interface View {
  x: number;
  y: number;
  k: number;
}

interface Spot {
  x: number;
  y: number;
  rows: SiteRow[];
}

/** As web/land.mjs has it. */
function project(longitude: number, latitude: number): [number, number] {
  const held = Math.min(NORTH, Math.max(SOUTH, latitude));
  const mercator = (degrees: number): number => Math.log(Math.tan(Math.PI / 4 + (degrees * Math.PI) / 360));
  return [((longitude + 180) / 360) * mapWidth, (mercator(NORTH) - mercator(held)) * (mapWidth / (2 * Math.PI))];
}

const RANK = { bad: 3, warn: 2, info: 1, good: 0, "": 0 } as const;
const worst = (rows: readonly SiteRow[]) => rows.map(mood).reduce((a, b) => (RANK[b] > RANK[a] ? b : a), "good");

/** All of the points, not closer than a country. */
function fit(points: readonly (readonly [number, number])[], w: number, h: number): View {
  if (!points.length) return { x: mapWidth / 2, y: mapHeight / 2, k: Math.max(w / mapWidth, h / mapHeight) };
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)], [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const k = Math.min(12, w / Math.max(1, (right - left) * 1.35), h / Math.max(1, (bottom - top) * 1.6));
  return { x: (left + right) / 2, y: (top + bottom) / 2, k: Math.max(k, w / mapWidth) };
}

interface Props {
  rows: readonly SiteRow[];
  chosen: string | null;
  onChoose: (node: string | null) => void;
  onOpen: (row: SiteRow) => void;
}

export function SiteMap({ rows, chosen, onChoose, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ w: 0, h: 0 });
  const [view, setView] = useState<View | null>(null);
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const wheel = useRef<{ by: number; x: number; y: number } | null>(null);
  const placed = useMemo(
    () => rows.flatMap((row) => (row.latitude === null || row.longitude === null ? [] : [{ row, at: project(row.longitude, row.latitude) }])),
    [rows],
  );
  useLayoutEffect(() => {
    const node = box.current;
    if (!node) return;
    const watcher = new ResizeObserver(() => setSize({ w: node.clientWidth, h: node.clientHeight }));
    watcher.observe(node);
    return () => watcher.disconnect();
  }, []);
  const key = placed.map(({ row }) => row.node).join(" ");
  useEffect(() => {
    if (size.w) setView(fit(placed.map(({ at }) => at), size.w, size.h));
  }, [key, size.w > 0]);
  const { w, h } = size;
  const seen = view ?? fit([], w || 1, h || 1);
  const zoom = (by: number, atX = w / 2, atY = h / 2): void =>
    setView((was) => {
      const old = was ?? seen;
      const k = Math.min(CLOSEST, Math.max(Math.min(w / mapWidth, h / mapHeight), old.k * by));
      const x = old.x + (atX - w / 2) * (1 / old.k - 1 / k), y = old.y + (atY - h / 2) * (1 / old.k - 1 / k);
      return { x, y, k };
    });
  const move = (dx: number, dy: number): void => setView((was) => ({ ...(was ?? seen), x: (was ?? seen).x + dx / (was ?? seen).k, y: (was ?? seen).y + dy / (was ?? seen).k }));
  const whole = (): void => setView(fit(placed.map(({ at }) => at), w, h));
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const turned = (event: WheelEvent): void => {
      event.preventDefault();
      const { left, top } = node.getBoundingClientRect(), due = wheel.current;
      wheel.current = { by: (due?.by ?? 0) + event.deltaY, x: event.clientX - left, y: event.clientY - top };
      if (due) return; // once a frame, however fast the wheel turns
      requestAnimationFrame(() => {
        const { by, x, y } = wheel.current ?? { by: 0, x: 0, y: 0 };
        wheel.current = null;
        zoom(Math.exp(-by * 0.0016), x, y);
      });
    };
    node.addEventListener("wheel", turned, { passive: false });
    return () => node.removeEventListener("wheel", turned);
  });
  const spots = useMemo(() => gathered(placed, seen, w, h), [placed, seen.x, seen.y, seen.k, w, h]);
  const named = useMemo(() => nameable(spots, w), [spots, w]);
  const openSpot = (spot: Spot): void => {
    const [first] = spot.rows;
    if (spot.rows.length === 1 && first) onOpen(first);
    else if (seen.k >= CLOSEST * 0.9 && first) onOpen(first);
    else setView(fit(placed.filter(({ row }) => spot.rows.includes(row)).map(({ at }) => at), w, h));
  };
  const pressed = (event: KeyboardEvent): void => {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-STEP_PX, 0], ArrowRight: [STEP_PX, 0], ArrowUp: [0, -STEP_PX], ArrowDown: [0, STEP_PX] };
    const by = moves[event.key];
    if (by) move(...by);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") whole();
    else return;
    event.preventDefault();
  };
  return (
    <div class="site-map" ref={box}>
      <svg
        width={w} height={h} role="group" tabIndex={0}
        aria-label={`Map of ${placed.length} sites. Arrow keys move it, plus and minus zoom, 0 shows all.`}
        onKeyDown={pressed}
        onPointerDown={(event) => {
          drag.current = { x: event.clientX, y: event.clientY, moved: false };
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (!from || !event.buttons) return;
          if (!from.moved && Math.hypot(event.clientX - from.x, event.clientY - from.y) < 4) return;
          if (!from.moved) event.currentTarget.setPointerCapture(event.pointerId);
          move(from.x - event.clientX, from.y - event.clientY);
          drag.current = { x: event.clientX, y: event.clientY, moved: true };
        }}
        onPointerUp={() => {
          drag.current = null;
        }}
      >
        <g transform={`translate(${w / 2 - seen.x * seen.k} ${h / 2 - seen.y * seen.k}) scale(${seen.k})`}>
          <path class="graticule" d={GRATICULE} />
          <path class="land" d={land} />
        </g>
        {spots.map((spot) => (
          <Dot
            key={spot.rows[0]?.node} spot={spot} wide={w}
            isNamed={named.has(spot)} isChosen={spot.rows.some((row) => row.node === chosen)}
            onOpen={() => openSpot(spot)} onChoose={onChoose}
          />
        ))}
      </svg>
      <div class="map-tools" role="group" aria-label="Map">
        <Button look="quiet" icon="plus" aria-label="Zoom in" onClick={() => zoom(1.6)} />
        <Button look="quiet" aria-label="Zoom out" onClick={() => zoom(1 / 1.6)}>−</Button>
        <Button look="quiet" aria-label="Show all sites" onClick={whole}>All</Button>
      </div>
      {placed.length < rows.length && (
        <p class="map-note small">{`${rows.length - placed.length} without a place: set \`site\` in their node.yaml.`}</p>
      )}
    </div>
  );
}

function Dot({ spot, wide, isNamed, isChosen, onOpen, onChoose }: {
  spot: Spot; wide: number; isNamed: boolean; isChosen: boolean; onOpen: () => void; onChoose: (node: string | null) => void;
}) {
  const [first] = spot.rows;
  if (!first) return null;
  const many = spot.rows.length, how = worst(spot.rows), r = many > 1 ? Math.min(22, 11 + Math.sqrt(many) * 2) : 6.5;
  const name = many > 1 ? `${many} sites` : first.site;
  const bad = spot.rows.filter((row) => row.state !== "online").length;
  const said = many > 1 ? `${many} sites, ${bad ? `${bad} not online` : "all online"}: zoom in` : `${first.site}, ${first.state}`;
  const isLeft = spot.x > wide - 140;
  return (
    <g
      class={`spot ${how} ${isChosen ? "chosen" : ""}`} role="button" tabIndex={0} aria-label={said}
      transform={`translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`}
      onClick={onOpen}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        onOpen();
      }}
      onPointerEnter={() => onChoose(many === 1 ? first.node : null)}
      onFocus={() => onChoose(many === 1 ? first.node : null)}
    >
      <circle class="reach" r={r + 9} />
      <circle class="halo" r={r + 5} />
      <circle class="mark" r={r} />
      {many > 1 && <text class="count" dy="0.35em">{many}</text>}
      {isNamed && many === 1 && (
        <text class="name" x={isLeft ? -r - 6 : r + 6} dy="0.35em" text-anchor={isLeft ? "end" : "start"}>
          {name}
        </text>
      )}
    </g>
  );
}

/** Sites in sight, those that would overlap together. */
function gathered(placed: readonly { row: SiteRow; at: [number, number] }[], view: View, w: number, h: number): Spot[] {
  const cells = new Map<string, Spot[]>();
  const spots: Spot[] = [];
  for (const { row, at } of placed) {
    const x = w / 2 + (at[0] - view.x) * view.k, y = h / 2 + (at[1] - view.y) * view.k;
    if (x < -40 || y < -40 || x > w + 40 || y > h + 40) continue;
    const column = Math.floor(x / NEAR_PX), line = Math.floor(y / NEAR_PX);
    const near = [-1, 0, 1].flatMap((i) => [-1, 0, 1].flatMap((j) => cells.get(`${column + i} ${line + j}`) ?? []));
    const found = near.find((spot) => Math.hypot(spot.x - x, spot.y - y) < NEAR_PX);
    if (found) found.rows.push(row);
    else {
      const spot = { x, y, rows: [row] };
      spots.push(spot);
      const key = `${column} ${line}`;
      cells.set(key, [...(cells.get(key) ?? []), spot]);
    }
  }
  return spots;
}

const NAME_PX = 7.4, LINE_PX = 18;

/** Whose names are written: those that cover no dot and no other name. */
function nameable(spots: readonly Spot[], w: number): Set<Spot> {
  const found = new Set<Spot>();
  if (spots.length > LABELS) return found;
  const taken = spots.map(({ x, y, rows }) => ({ left: x - 14, right: x + 14, top: y - 14, bottom: y + 14, rows }));
  for (const spot of spots) {
    const [first] = spot.rows;
    if (spot.rows.length > 1 || !first) continue;
    const long = first.site.length * NAME_PX, isLeft = spot.x > w - 140;
    const left = isLeft ? spot.x - 13 - long : spot.x + 13;
    const mine = { left, right: left + long, top: spot.y - LINE_PX / 2, bottom: spot.y + LINE_PX / 2, rows: spot.rows };
    const isCovering = taken.some((one) => one.rows !== spot.rows && one.left < mine.right && one.right > mine.left && one.top < mine.bottom && one.bottom > mine.top);
    if (isCovering) continue;
    found.add(spot);
    taken.push(mine);
  }
  return found;
}

const GRATICULE = [
  ...Array.from({ length: 11 }, (_, i) => `M${((i + 1) * mapWidth) / 12} 0V${mapHeight}`),
  ...[-40, -20, 0, 20, 40, 60, 75].map((latitude) => `M0 ${project(0, latitude)[1].toFixed(0)}H${mapWidth}`),
].join("");
