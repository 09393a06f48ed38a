// A site in view: that it's looked at through this node, and what is known of it while it's away.
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { away, get, type Away } from "~/lib/api";
import { rate, whole } from "~/lib/format";
import { takesActs } from "~/lib/session";
import { LANES, stateMood, sum, waiting, type SiteRow } from "~/lib/sites";
import { ago, lasting } from "~/lib/time";
import { Badge, Card, Facts, Page, Stat } from "~/parts/basic";

const EVERY_MS = 10_000;

/** What this node itself knows of the site. */
function useRow(site: string): SiteRow | null {
  const [row, setRow] = useState<SiteRow | null>(null);
  useEffect(() => {
    const giveUp = new AbortController();
    const ask = (): void => void get<SiteRow>(`sites/${encodeURIComponent(site)}`, {}, giveUp.signal, true).then((found) => {
      takesActs.value = found.acts === true;
      setRow(found);
    }, () => undefined);
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => {
      giveUp.abort();
      clearInterval(timer);
    };
  }, [site]);
  return row;
}

/** Above every page of a site. */
export function Through({ site }: { site: string }) {
  const gone = away.value, row = useRow(site);
  if (!gone) {
    return (
      <p class="through" role="status">
        <i class="dot good" />
        <strong>{row?.site ?? site}</strong>
        <span class="soft small">{["live, through this node", row?.zone, row?.note].filter(Boolean).join(" · ")}</span>
      </p>
    );
  }
  const held = gone.held !== null;
  return (
    <div class="banner apart" role="status" data-away={gone.site.node}>
      <span>
        <strong>{gone.site.site} can’t be reached.</strong>{" "}
        {gone.age_s === null ? "It was never heard." : `Last heard ${ago(gone.site.heard_ns)}.`}{" "}
        {held ? "What you see is what this node holds of it." : "It’s asked again every few seconds."}
      </span>
    </div>
  );
}

/** In place of its overview. */
export function AsLastTold({ away: { site, error } }: { away: Away }) {
  const { alerts, devices } = site;
  return (
    <Page title={site.site} about={site.note || `As it told ${site.told_ns ? ago(site.told_ns) : "never"}`}>
      <div class="grid">
        <Stat title="State" value={site.state} mood={stateMood(site.state)} note={error} />
        <Stat title="Open alerts" value={whole(sum(alerts))} mood={alerts["critical"] ? "bad" : ""} note={<Link href="/alerts">those that have come here</Link>} />
        <Stat title="Waited for its parent" value={whole(waiting(site))} unit="rows" note={site.told_ns ? `as of ${ago(site.told_ns)}` : undefined} />
        <Stat title="Devices" value={whole(sum(devices))} note={<Link href="/devices">as they were told of</Link>} />
      </div>
      <SiteFacts row={site} />
    </Page>
  );
}

/** What a site told of itself. */
export function SiteFacts({ row }: { row: SiteRow }) {
  const place = row.latitude === null || row.longitude === null ? "not said" : `${row.latitude.toFixed(2)}°, ${row.longitude.toFixed(2)}°`;
  return (
    <Card title="As it last told" note={row.told_ns ? ago(row.told_ns) : "never"}>
      <Facts
        rows={[
          ["Node", row.node],
          row.via.length > 0 && ["Through", row.via.join(" › ")],
          ["Place", place],
          ["Zone", row.zone || "not said"],
          ["Version", row.version || "an older one: it doesn’t tell"],
          ["Last heard", ago(row.heard_ns)],
          ["Link", row.pace ? `${row.pace}${row.kbps ? `, ${whole(row.kbps)} kbit/s` : ""}` : "not known"],
          ...row.lag.map((lane) => [`Waiting, ${LANES[lane.lane] ?? lane.lane}`, lane.rows ? `${whole(lane.rows)} rows, the oldest ${lasting(lane.seconds)}` : "nothing"] as const),
          ["Readings", `${rate(row.rate)} a second`],
          ["Journal", row.level ? `${row.disk_percent} % of its quota, level ${row.level}` : "not known"],
          ["Clock", row.clock || "not known"],
          row.trouble.length > 0 && ["Trouble", row.trouble.map((text) => <Badge key={text} mood="warn">{text}</Badge>)],
        ]}
      />
    </Card>
  );
}
