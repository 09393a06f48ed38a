// The nodes below this one: where they are, how they are, and the way to each one's own pages.
import { useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { rate, short, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { href, mood, oldest, stateMood, sum, waiting, type SiteList, type SiteRow } from "~/lib/sites";
import { ago, lasting } from "~/lib/time";
import { Badge, Card, Empty, ErrorNote, Loading, Page, Search, Segment, Stat } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";
import { SiteMap } from "~/pages/sites/map";
import "~/pages/sites/sites.css";

const RANK: Record<string, number> = { silent: 0, never: 1, unknown: 2, late: 3, online: 4 };

const WORSE: Record<string, number> = { bad: 2, warn: 1 };

const COLUMNS: readonly Column<SiteRow>[] = [
  {
    name: "Site",
    sort: (row) => row.site,
    cell: (row) => (
      <span class="site-name">
        <Link href={href(row)}>{row.site}</Link>
        <small>{[...row.via, row.node].join(" › ")}</small>
      </span>
    ),
  },
  {
    name: "State",
    sort: (row) => 4 * (RANK[row.state] ?? 9) - (WORSE[mood(row)] ?? 0),
    cell: (row) => (
      <span class="row">
        <Badge mood={stateMood(row.state)}>{row.state}</Badge>
        {row.state !== "online" && <span class="small soft wide-only">{ago(row.heard_ns)}</span>}
      </span>
    ),
  },
  {
    name: "Alerts",
    sort: (row) => -1000 * (row.alerts["critical"] ?? 0) - (row.alerts["warning"] ?? 0),
    cell: (row) => (
      <span class="row">
        {row.alerts["critical"] && <Badge mood="bad" title="critical">{row.alerts["critical"]}</Badge>}
        {row.alerts["warning"] && <Badge mood="warn" title="warning">{row.alerts["warning"]}</Badge>}
        {!sum(row.alerts) && <span class="soft">none</span>}
      </span>
    ),
  },
  {
    name: "Waiting",
    isNumber: true,
    sort: waiting,
    cell: (row) => (waiting(row) ? <span title={`the oldest ${lasting(oldest(row))}`}>{`${short(waiting(row))} rows`}</span> : <span class="soft">—</span>),
  },
  { name: "Readings/s", isNumber: true, wideOnly: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
  {
    name: "Devices",
    isNumber: true,
    wideOnly: true,
    sort: (row) => sum(row.devices),
    cell: (row) => (sum(row.devices) ? `${row.devices["online"] ?? 0} of ${sum(row.devices)}` : "—"),
  },
  { name: "Link", wideOnly: true, sort: (row) => row.kbps, cell: (row) => (row.pace ? <span title={row.kbps ? `${short(row.kbps)} kbit/s` : undefined}>{row.pace}</span> : "—") },
  { name: "Version", wideOnly: true, sort: (row) => row.version, cell: (row) => row.version || "—" },
  {
    name: "Trouble",
    wideOnly: true,
    sort: (row) => -row.trouble.length,
    cell: (row) => <span class="trouble" title={row.trouble.join("; ")}>{row.trouble.join("; ") || <span class="soft">—</span>}</span>,
  },
];

export default function Sites() {
  const { data, error } = useLoad<SiteList>("sites", {}, 3000);
  const [place, change] = usePlace();
  const [, go] = useLocation();
  const [chosen, setChosen] = useState<string | null>(null);
  const sought = place.get("q") ?? "", state = place.get("state") ?? "";
  const rows = useMemo(() => {
    const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (row: SiteRow): string => [row.site, row.node, ...row.via, row.note, row.version, ...row.trouble].join(" ").toLowerCase();
    return (data?.sites ?? []).filter(
      (row) => words.every((word) => text(row).includes(word)) && (!state || (state === "trouble" ? mood(row) !== "good" : row.state === state)),
    );
  }, [data, sought, state]);
  if (!data) return error ? <ErrorNote error={error} /> : <Loading />;
  if (!data.total) {
    return (
      <Page title="Sites">
        <Card>
          <Empty title="No site has come yet.">A gateway appears here as soon as its node.yaml names this node as its parent.</Empty>
        </Card>
      </Page>
    );
  }
  const all = data.sites, online = all.filter((row) => row.state === "online").length;
  const count = (severity: string): number => all.reduce((found, row) => found + (row.alerts[severity] ?? 0), 0);
  const open = (row: SiteRow): void => go(href(row));
  return (
    <Page title="Sites" about={`${data.here.site}: ${whole(all.length)} below`}>
      {error && <ErrorNote error={error} />}
      <div class="grid sites-stats">
        <Stat title="Online" value={`${online} of ${all.length}`} mood={online < all.length ? "warn" : ""} note={online < all.length ? all.filter((row) => row.state !== "online").slice(0, 3).map((row) => row.site).join(", ") : "every site is heard"} />
        <Stat title="Open alerts" value={whole(count("critical") + count("warning") + count("info"))} mood={count("critical") ? "bad" : ""} note={`${count("critical")} critical, ${count("warning")} warning`} />
        <Stat title="Waiting at sites" value={short(all.reduce((found, row) => found + waiting(row), 0))} unit="rows" note={all.some(waiting) ? `the oldest ${lasting(Math.max(...all.map(oldest)))}` : "everything is here"} />
        <Stat title="Readings" value={rate(all.reduce((found, row) => found + row.rate, 0))} unit="a second" note={`${whole(all.reduce((found, row) => found + sum(row.devices), 0))} devices`} />
      </div>
      <Card title="Where they are" flush>
        <SiteMap rows={rows} chosen={chosen} onChoose={setChosen} onOpen={open} />
      </Card>
      <Card
        title="All sites" note={rows.length === all.length ? whole(all.length) : `${rows.length} of ${all.length}`} flush
        actions={
          <>
            <Search label="Search sites" value={sought} onChange={(text) => change({ q: text })} />
            <Segment
              label="State" value={state} onChange={(value) => change({ state: value })}
              choices={[["", "All"], ["trouble", "Trouble"], ["late", "Late"], ["silent", "Silent"]]}
            />
          </>
        }
      >
        <div class="sites-list">
          <Table
            label="Sites" rows={rows} columns={COLUMNS} id={(row) => row.node} onOpen={open} selected={chosen} rowHeight={54} sortBy="State"
            empty={<Empty title="No site fits.">Take some of the search away.</Empty>}
          />
        </div>
      </Card>
    </Page>
  );
}
