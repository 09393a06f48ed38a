// Theme, units, time zone: kept in this browser, for whoever uses it.
import { useMemo } from "preact/hooks";
import { prefer, prefs, type Pressure, type Theme } from "~/lib/prefs";
import { figure } from "~/lib/format";
import { clock, day, now } from "~/lib/time";
import { converter, unit } from "~/lib/units";
import { Card, Segment } from "~/parts/basic";

const THEMES = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]] as const;
const PRESSURES = [["", "As stored"], ["bar", "bar"], ["kPa", "kPa"], ["psi", "psi"]] as const;
const UNITS = [["metric", "Metric"], ["imperial", "US customary"]] as const;

export function Here() {
  const zones = useMemo(() => Intl.supportedValuesOf("timeZone"), []);
  const own = useMemo(() => new Intl.DateTimeFormat().resolvedOptions().timeZone, []);
  const { theme, zone, imperial, pressure } = prefs.value;
  return (
    <Card title="How this browser shows things" note="kept in this browser only">
      <div class="choices">
        <div>
          <h3>Theme</h3>
          <Segment<Theme> label="Theme" value={theme} choices={THEMES} onChange={(to) => prefer({ theme: to })} />
        </div>
        <div>
          <h3>Units</h3>
          <Segment label="Units" value={imperial ? "imperial" : "metric"} choices={UNITS} onChange={(to) => prefer({ imperial: to === "imperial" })} />
          <p class="small soft">{`A room at 21.5 °C is shown as ${converter("Cel")(21.5).toFixed(1)} ${unit("Cel")}.`}</p>
        </div>
        <div>
          <h3>Pressure</h3>
          <Segment<Pressure> label="Pressure" value={pressure} choices={PRESSURES} onChange={(to) => prefer({ pressure: to })} />
          <p class="small soft">{`A line at 600,000 Pa is shown as ${figure(converter("Pa")(600_000))} ${unit("Pa")}.`}</p>
        </div>
        <label>
          <h3>Time zone</h3>
          <select class="select" value={zone} onChange={(event) => prefer({ zone: event.currentTarget.value })}>
            <option value="">{`This browser's own (${own})`}</option>
            <option value="UTC">UTC</option>
            {zones.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
          <p class="small soft">{`It's ${day(now.value)} ${clock(now.value)} there, by the node's clock.`}</p>
        </label>
      </div>
    </Card>
  );
}
