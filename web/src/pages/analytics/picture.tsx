// An answer as a picture: bars for things, lines for times, one small chart a thing to compare a fleet.
import { useMemo } from "preact/hooks";
import { figure } from "~/lib/format";
import { converter, unit as shown } from "~/lib/units";
import { Segment } from "~/parts/basic";
import { aligned, type Point } from "~/lib/align";
import { Chart } from "~/parts/Chart";
import type { Drawn, Picture as Drawing } from "~/pages/analytics/table";

const MOST_BARS = 40, MOST_LINES = 8, MOST_SMALL = 36;

export function Picture({ drawing, how, onHow }: { drawing: Drawing; how: string; onHow: (how: string) => void }) {
  if (drawing.time < 0) return <Bars things={drawing.things} />;
  const many = drawing.things.length > 1;
  const isSmall = many && (how === "small" || (how === "" && drawing.things.length > MOST_LINES));
  return (
    <div class="stack">
      {many && (
        <div class="row">
          <Segment
            label="Picture" value={isSmall ? "small" : "one"} onChange={onHow}
            choices={[["one", "One chart"], ["small", "Side by side"]]}
          />
        </div>
      )}
      {isSmall ? <SmallMultiples things={drawing.things} /> : <Lines things={drawing.things.slice(0, MOST_LINES)} left={drawing.things.length - MOST_LINES} />}
    </div>
  );
}

function spoken(value: number | null, unit: string): string {
  return value === null ? "—" : `${figure(converter(unit)(value))} ${shown(unit)}`.trim();
}

function Bars({ things }: { things: readonly Drawn[] }) {
  const bars = things.slice(0, MOST_BARS).map(({ name, unit, points }) => ({ name, unit, value: points[0]?.[1] ?? null }));
  const known = bars.flatMap(({ value }) => (value === null ? [] : [value]));
  const low = Math.min(0, ...known), high = Math.max(0, ...known), span = high - low || 1;
  return (
    <>
      <ol class="bars" aria-label="Largest first, as asked for">
        {bars.map(({ name, unit, value }) => (
          <li key={`${name} ${unit}`}>
            <span class="bar-name" title={name}>{name}</span>
            <span class="bar-track" aria-hidden="true">
              {value !== null && <i style={{ marginLeft: `${((Math.min(0, value) - low) / span) * 100}%`, width: `${(Math.abs(value) / span) * 100}%` }} />}
            </span>
            <span class="bar-value">{spoken(value, unit)}</span>
          </li>
        ))}
      </ol>
      {things.length > MOST_BARS && <p class="small soft">{`The first ${MOST_BARS} of ${things.length}; all are in the table.`}</p>}
    </>
  );
}

function Lines({ things, left }: { things: readonly Drawn[]; left: number }) {
  const { times, lines } = useMemo(() => {
    const on = aligned(things.map(({ unit, points }) => points.map(([at, value]): Point => [at, value === null ? null : converter(unit)(value)])));
    return { times: on.times, lines: things.map(({ name, unit }, i) => ({ name, unit, values: on.values[i] ?? [] })) };
  }, [things]);
  return (
    <div>
      <Chart label={`${things.length} lines over time`} times={times} lines={lines} height={320} />
      <div class="legend">
        {lines.map((line, i) => (
          <span key={line.name} class="legend-entry">
            <i class={`swatch s${(i % 8) + 1}`} /> {line.name}
            {line.unit && <span class="soft">{shown(line.unit)}</span>}
          </span>
        ))}
      </div>
      {left > 0 && <p class="small soft">{`${left} more are in the table.`}</p>}
    </div>
  );
}

/** One small chart a thing, all on one scale, so that the eye finds the odd one out. */
function SmallMultiples({ things }: { things: readonly Drawn[] }) {
  const drawn = things.slice(0, MOST_SMALL);
  return (
    <>
      <ul class="multiples">
        {drawn.map((thing) => (
          <li key={`${thing.name} ${thing.unit}`}>
            <Small thing={thing} all={drawn.filter((one) => one.unit === thing.unit)} />
          </li>
        ))}
      </ul>
      {things.length > MOST_SMALL && <p class="small soft">{`The first ${MOST_SMALL} of ${things.length}.`}</p>}
    </>
  );
}

function Small({ thing, all }: { thing: Drawn; all: readonly Drawn[] }) {
  const turn = converter(thing.unit);
  const values = all.flatMap(({ points }) => points.flatMap(([, y]) => (y === null ? [] : [y])));
  const times = all.flatMap(({ points }) => points.map(([x]) => x));
  const [low, high] = [Math.min(...values), Math.max(...values)], [from, to] = [Math.min(...times), Math.max(...times)];
  const x = (at: number): number => (to > from ? ((at - from) / (to - from)) * 200 : 100);
  const y = (value: number): number => (high > low ? 58 - ((value - low) / (high - low)) * 54 : 31);
  let line = "", isOpen = false;
  for (const [at, value] of thing.points) {
    if (value === null) isOpen = false;
    else {
      line += `${isOpen ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      isOpen = true;
    }
  }
  const last = [...thing.points].reverse().find(([, value]) => value !== null);
  const end = last?.[1] ?? null;
  return (
    <figure class="multiple">
      <figcaption>
        <strong title={thing.name}>{thing.name}</strong>
        <span>{spoken(end, thing.unit)}</span>
      </figcaption>
      <svg viewBox="0 0 200 62" preserveAspectRatio="none" role="img" aria-label={`${thing.name}: now ${spoken(end, thing.unit)}, of ${figure(turn(low))} to ${figure(turn(high))} over all`}>
        <path class="base" d="M0 61.5H200" />
        <path class="line" d={line} />
        {last && end !== null && <path class="end" d={`M${x(last[0]).toFixed(1)} ${y(end).toFixed(1)}h0.01`} />}
      </svg>
    </figure>
  );
}
