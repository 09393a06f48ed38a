// The outline of the world's land for the sites' map: Natural Earth 1:110m (public domain), from npm's world-atlas.
// Made at build time into one SVG path on the Mercator projection; nothing of it is fetched when the page runs.
import { readFileSync } from "node:fs";

const FILE = new URL("./node_modules/world-atlas/land-110m.json", import.meta.url);
export const WIDTH = 2000;
const TOLERANCE = 0.5; // of the map's width of 2000
const LEAST_AREA = 14; // smaller islands are dots at any zoom
const NORTH = 83, SOUTH = -58; // without Antarctica, where no works stand

/** Degrees to the map's units; pages/sites/map.ts does the same for sites. */
export function project([longitude, latitude]) {
  const held = Math.min(NORTH, Math.max(SOUTH, latitude));
  const mercator = (degrees) => Math.log(Math.tan(Math.PI / 4 + (degrees * Math.PI) / 360));
  const unit = WIDTH / (2 * Math.PI);
  return [((longitude + 180) / 360) * WIDTH, (mercator(NORTH) - mercator(held)) * unit];
}

function arcs({ transform, arcs }) {
  const [sx, sy] = transform.scale, [tx, ty] = transform.translate;
  return arcs.map((arc) => {
    let x = 0, y = 0;
    return arc.map(([dx, dy]) => [(x += dx) * sx + tx, (y += dy) * sy + ty]);
  });
}

function ring(parts, decoded) {
  const points = [];
  for (const part of parts) {
    const arc = part < 0 ? [...decoded[~part]].reverse() : decoded[part];
    points.push(...(points.length ? arc.slice(1) : arc));
  }
  return points;
}

/** Ramer, Douglas and Peucker. */
function simple(points, tolerance) {
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    const [ax, ay] = points[from], [bx, by] = points[to];
    const dx = bx - ax, dy = by - ay, length = Math.hypot(dx, dy);
    let worst = 0, at = -1;
    for (let i = from + 1; i < to; i++) {
      const [x, y] = points[i];
      const far = length ? Math.abs(dy * (x - ax) - dx * (y - ay)) / length : Math.hypot(x - ax, y - ay);
      if (far > worst) [worst, at] = [far, i];
    }
    if (worst > tolerance) {
      keep[at] = 1;
      open.push([from, at], [at, to]);
    }
  }
  return points.filter((_, i) => keep[i]);
}

/** Longitudes go on past ±180° instead of jumping across the map. */
function unwrapped(points) {
  let turn = 0;
  return points.map(([longitude, latitude], i) => {
    const step = i ? longitude - points[i - 1][0] : 0;
    if (step > 180) turn -= 360;
    else if (step < -180) turn += 360;
    return [longitude + turn, latitude];
  });
}

const area = (points) => Math.abs(points.reduce((sum, [x, y], i) => {
  const [nx, ny] = points[(i + 1) % points.length];
  return sum + x * ny - nx * y;
}, 0)) / 2;

/** A ring as relative lines, moved sideways. */
function drawn(points, by) {
  let [[x, y]] = points;
  const begin = `M${x + by} ${y}l`;
  const steps = points.slice(1, -1).map(([nx, ny]) => {
    const step = `${nx - x} ${ny - y}`;
    [x, y] = [nx, ny];
    return step;
  });
  return `${begin}${steps.filter((step) => step !== "0 0").join(" ").replace(/ -/g, "-")}z`;
}

/** The land as one path of relative lines in whole units, and the map's height. */
export function land() {
  const world = JSON.parse(readFileSync(FILE, "utf8"));
  const decoded = arcs(world);
  let path = "";
  for (const { arcs: polygons } of world.objects.land.geometries) {
    for (const polygon of polygons) {
      for (const parts of polygon) {
        const degrees = ring(parts, decoded);
        if (degrees.every(([, latitude]) => latitude < SOUTH)) continue;
        const points = simple(unwrapped(degrees).map(project), TOLERANCE).map(([x, y]) => [Math.round(x), Math.round(y)]);
        if (points.length < 4 || area(points) < LEAST_AREA) continue;
        path += drawn(points, 0);
        // What crosses ±180° is drawn at both edges.
        if (points.some(([x]) => x > WIDTH)) path += drawn(points, -WIDTH);
        if (points.some(([x]) => x < 0)) path += drawn(points, WIDTH);
      }
    }
  }
  return { path, height: Math.round(project([0, SOUTH])[1]) };
}

/** A module of it: `import { path, height } from "virtual:land"`. */
export const landModule = {
  name: "land",
  resolveId: (id) => (id === "virtual:land" ? "\0land" : null),
  load(id) {
    if (id !== "\0land") return null;
    const { path, height } = land();
    return `export const path = ${JSON.stringify(path)}; export const height = ${height}; export const width = ${WIDTH};`;
  },
};
