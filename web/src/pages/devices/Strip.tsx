// When a device was heard and when not, as a strip of time.
import { whole } from "~/lib/format";
import { exact, lasting, moment, ms, now } from "~/lib/time";
import type { Device, Gap } from "~/pages/devices/model";

export function Strip({ device, gaps, seconds }: { device: Device; gaps: readonly Gap[]; seconds: number }) {
  const to = now.value, from = to - seconds * 1000;
  const at = (time: number): number => Math.min(100, Math.max(0, ((time - from) / (to - from)) * 100));
  const heardFrom = at(ms(device.first_ns)), heardTo = at(Math.max(ms(device.last_ns), 0));
  const shown = gaps.filter((gap) => (ms(gap.to_ns) || to) > from);
  const silent = device.interval_s !== null && to - ms(device.last_ns) > 4000 * device.interval_s && device.last_ns > 0;
  const said = shown.length
    ? `${whole(shown.length)} ${shown.length === 1 ? "gap" : "gaps"} in this time, ${whole(shown.reduce((n, gap) => n + gap.missing - gap.filled, 0))} messages missing`
    : "no gap in this time";
  return (
    <div>
      <div class="strip" role="img" aria-label={`When it was heard: ${said}`}>
        {device.first_ns > 0 && <i class="heard" style={{ left: `${heardFrom}%`, width: `${Math.max(0, heardTo - heardFrom)}%` }} />}
        {shown.map((gap) => {
          const left = at(ms(gap.from_ns)), right = at(ms(gap.to_ns) || to);
          return <i key={gap.from_ns} class={kind(gap)} style={{ left: `${left}%`, width: `${Math.max(0.15, right - left)}%` }} title={about(gap)} />;
        })}
        {silent && heardTo < 100 && <i class="missing" style={{ left: `${heardTo}%`, width: `${100 - heardTo}%` }} title="Not heard since" />}
      </div>
      <div class="strip-axis">
        <span>{moment(from * 1e6)}</span>
        <span>{said}</span>
        <span>now</span>
      </div>
      {shown.length > 0 && (
        <div class="keys">
          <span><i class="heard" />heard</span>
          <span><i class="missing" />missing</span>
          <span><i class="filled" />came later</span>
          <span><i class="down" />this node was down</span>
        </div>
      )}
    </div>
  );
}

const kind = (gap: Gap): string => (gap.down_s > 0 ? "down" : gap.missing > 0 && gap.filled >= gap.missing ? "filled" : "missing");

function about(gap: Gap): string {
  const down = gap.down_s > 0 ? `; this node was down for ${lasting(gap.down_s)}` : "";
  return `${exact(gap.from_ns)}, ${lasting((gap.to_ns - gap.from_ns) / 1e9)}: ${whole(gap.missing)} messages missing, ${whole(gap.filled)} came later${down}`;
}
