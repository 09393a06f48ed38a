// When alerts were open, by device: a lane each, over the last hours.
import { useMemo } from "preact/hooks";
import { clock, day, lasting, now } from "~/lib/time";
import { byName, moodOf, RANK, type Alert } from "~/pages/alerts/data";

export const WIDTHS = [
  ["1", "1 h"],
  ["24", "24 h"],
  ["168", "7 d"],
] as const;
const LANES = 8, MOST = 600, TICKS = 6;

/** The least width (hours) that shows when nearly all of them were raised. */
export function fitting(alerts: readonly Alert[]): number {
  for (const width of [1, 24]) {
    const from = (now.peek() - width * 3_600_000) * 1e6;
    if (alerts.filter((one) => one.raised_ns >= from).length >= 0.9 * alerts.length) return width;
  }
  return 168;
}

interface Lane {
  device: string;
  node: string;
  alerts: Alert[];
  open: number;
}

/** Devices with what is open first, the others by how many they had. */
function lanesOf(alerts: readonly Alert[], fromMs: number): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const one of alerts) {
    if (one.cleared_ns && one.cleared_ns / 1e6 < fromMs) continue;
    const key = `${one.node}/${one.device}`;
    const lane = lanes.get(key) ?? { device: one.device, node: one.node, alerts: [], open: 0 };
    lane.alerts.push(one);
    lane.open += one.state === "open" ? 1 : 0;
    lanes.set(key, lane);
  }
  return [...lanes.values()].sort((a, b) => b.open - a.open || b.alerts.length - a.alerts.length || byName(a.device, b.device));
}

export function Strip({ alerts, hours, onPick }: { alerts: readonly Alert[]; hours: number; onPick: (device: string) => void }) {
  // Bars creep: a tenth of a minute is fine enough for an hour's width.
  const to = Math.ceil(now.value / 6000) * 6000, from = to - hours * 3_600_000;
  const lanes = useMemo(() => lanesOf(alerts, from), [alerts, from]);
  const at = (ms: number): number => Math.min(100, Math.max(0, ((ms - from) / (to - from)) * 100));
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => from + ((to - from) * i) / TICKS);
  let drawn = 0;
  return (
    <div class="strip" role="group" aria-label="When alerts were open, by device">
      {lanes.slice(0, LANES).map((lane) => (
        <div class="lane" key={`${lane.node}/${lane.device}`}>
          <button type="button" class="name" title={`Only ${lane.device}`} onClick={() => onPick(lane.device)}>
            {lane.device}
          </button>
          <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={`${lane.device}: ${lane.alerts.length} alerts, ${lane.open} open`}>
            {[...lane.alerts]
              .sort((a, b) => (RANK[b.severity] ?? 3) - (RANK[a.severity] ?? 3))
              .map((one) => {
                if (++drawn > MOST) return null;
                const begin = at(one.raised_ns / 1e6), end = one.cleared_ns ? at(one.cleared_ns / 1e6) : 100;
                return (
                  <rect key={one.id} class={`${moodOf(one.severity)} ${one.state}`} x={begin} width={Math.max(0.35, end - begin)} y={1.5} height={7} rx={0.3}>
                    <title>{`${one.rule}: ${one.message} (${lasting(((one.cleared_ns || to * 1e6) - one.raised_ns) / 1e9)})`}</title>
                  </rect>
                );
              })}
          </svg>
        </div>
      ))}
      {lanes.length === 0 && <p class="soft">No alert was open in this time.</p>}
      {lanes.length > 0 && (
        <div class="lane axis" aria-hidden="true">
          <span class="name">{lanes.length > LANES ? `and ${lanes.length - LANES} more` : ""}</span>
          <div class="ticks">
            {ticks.slice(0, -1).map((tick) => (
              <span key={tick}>{hours > 48 ? day(tick) : clock(tick).slice(0, 5)}</span>
            ))}
            <span>now</span>
          </div>
        </div>
      )}
    </div>
  );
}
