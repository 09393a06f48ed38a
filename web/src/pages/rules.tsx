// Rules: what is at work and what it costs; one of them; writing one.
import { useMemo, useRef } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { figure, percent, whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact } from "~/lib/time";
import { Button, Card, Empty, ErrorNote, Loading, Page, Search, Segment } from "~/parts/basic";
import { Table } from "~/parts/Table";
import { Detail } from "./rules/Detail";
import { Editor } from "./rules/Editor";
import "./rules/rules.css";
import { State } from "./rules/State";
import type { RuleList, RuleRow } from "./rules/types";

export default function Rules() {
  const [path] = useLocation();
  const [, name = "", what = ""] = /\/rules(?:\/([^/]+))?(?:\/([^/]+))?\/?$/.exec(path) ?? [];
  if (name === "new" && !what) return <Editor name="" />;
  const rule = decodeURIComponent(name);
  if (rule) return what === "edit" ? <Editor key={rule} name={rule} /> : <Detail key={rule} name={rule} />;
  return <List />;
}

/** Ends the file's name of rules that `alert` of a deployment in node.yaml stands for. */
const MADE = " (models.deploy)";
const FILTERS = [["", "All"], ["alerting", "Alerting"], ["off", "Off"], ["throttled", "Throttled"]] as const;
type Filter = (typeof FILTERS)[number][0];

const FITS: Record<Filter, (row: RuleRow) => boolean> = {
  "": () => true,
  alerting: (row) => row.open.length > 0,
  off: (row) => row.state === "off",
  throttled: (row) => row.state === "throttled",
};

function List() {
  const [place, change] = usePlace();
  const [, go] = useLocation();
  const { data, error, reload } = useLoad<RuleList>("rules", {}, 4000);
  const asked = useRef(0);
  useWatch("alerts", {}, () => {
    if (Date.now() - asked.current < 2000) return; // many alerts at once: the next round will have them
    asked.current = Date.now();
    reload();
  });
  const text = place.get("text") ?? "", filter = (place.get("state") ?? "") as Filter;
  const rows = useMemo(() => {
    const wanted = text.toLowerCase();
    return (data?.rules ?? []).filter((row) => (FITS[filter] ?? FITS[""])(row) && `${row.rule} ${row.summary} ${row.file}`.toLowerCase().includes(wanted));
  }, [data, text, filter]);
  if (!data) return error ? <ErrorNote error={error} /> : <Loading />;
  const open = data.rules.reduce((sum, row) => sum + row.open.length, 0);
  const cost = data.rules.reduce((sum, row) => sum + row.cpu_share, 0);
  return (
    <Page
      title="Rules"
      about={`${whole(data.rules.length)} ${data.rules.length === 1 ? "rule" : "rules"}, ${whole(open)} open ${open === 1 ? "alert" : "alerts"}, ${percent(cost)} of a core`}
      actions={<Button look="main-action" icon="plus" needs="operator" onClick={() => go("/rules/new")}>New rule</Button>}
    >
      {data.problems.length > 0 && (
        <div class="banner bad" role="alert">
          <div>
            The files as they are now can't be used; the rules at work go on.
            {data.problems.slice(0, 5).map((problem) => (
              <div key={problem} class="small mono wrap">{problem}</div>
            ))}
          </div>
        </div>
      )}
      <div class="row">
        <Search label="Search rules" value={text} onChange={(value) => change({ text: value })} />
        <Segment label="State" value={filter} choices={FILTERS} onChange={(value) => change({ state: value })} />
      </div>
      <div class="rule-list">
       <Card flush>
        <Table
          label="Rules"
          rows={rows}
          id={(row) => `${row.rule}/${row.part}/${row.on}`}
          onOpen={(row) => go(`/rules/${encodeURIComponent(row.rule)}`)}
          empty={<Empty title={data.rules.length ? "No rule fits." : "No rule is here yet."}>{data.rules.length ? "Search for less." : "Press New rule, perhaps with a recipe of the cookbook; try it on the past, then enable it. Rules of your own files are named by `rules:` in node.yaml."}</Empty>}
          columns={[
            {
              name: "Rule",
              cell: (row) => (
                <a class="rule-name" href={`/rules/${encodeURIComponent(row.rule)}`} onClick={(event) => { event.preventDefault(); event.stopPropagation(); go(`/rules/${encodeURIComponent(row.rule)}`); }}>
                  {row.rule}
                  {(row.part || row.on === "children") && <small>{[row.part, row.on === "children" ? "children" : ""].filter(Boolean).join(", ")}</small>}
                </a>
              ),
              sort: (row) => row.rule,
            },
            { name: "State", cell: (row) => <State row={row} />, sort: (row) => (row.open.length ? 0 : row.state === "throttled" ? 1 : row.state === "ok" ? 2 : 3) },
            { name: "Summary", cell: (row) => <span class="one-line soft" title={row.summary}>{row.summary.replace(/^raised when /, "")}</span>, wideOnly: true },
            { name: "Open", cell: (row) => (row.open.length ? whole(row.open.length) : <span class="faint">0</span>), sort: (row) => -row.open.length, isNumber: true },
            { name: "24 h", cell: (row) => (row.alerts_day ? whole(row.alerts_day) : <span class="faint">0</span>), sort: (row) => -row.alerts_day, isNumber: true, wideOnly: true },
            { name: "Last fired", cell: (row) => <span class="nowrap" title={exact(row.raised_ns)}>{row.raised_ns ? ago(row.raised_ns) : <span class="faint">never</span>}</span>, sort: (row) => -row.raised_ns, wideOnly: true },
            { name: "Core", cell: (row) => percent(row.cpu_share), sort: (row) => -row.cpu_share, isNumber: true, wideOnly: true },
            { name: "µs", cell: (row) => figure(Math.round(row.cpu_us_per_reading * 100) / 100), sort: (row) => -row.cpu_us_per_reading, isNumber: true, wideOnly: true },
            { name: "From", cell: (row) => <span class="rule-from soft" title={row.file}>{row.editable ? "this page" : row.file.endsWith(MADE) ? "its model" : row.file.replace(/.*\//, "")}</span>, sort: (row) => row.file, wideOnly: true },
          ]}
        />
       </Card>
      </div>
      <p class="small soft">
        {"Unusual behaviour without a limit to name? "}
        <code>detect: auto</code>
        {" and its kin: docs/how-to/detectors.md. All keys of a rule: docs/reference/rules.md."}
      </p>
    </Page>
  );
}
