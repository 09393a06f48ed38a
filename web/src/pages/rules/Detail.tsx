// One rule: its text, what it means, what it costs, how it came to be.
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { send } from "~/lib/api";
import { bytes, figure, percent, short, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact, moment } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Page, Stat } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { Table } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import { Backtest } from "./Backtest";
import { State, whyThrottled } from "./State";
import type { RuleDetail, RuleRow, RuleVersion } from "./types";
import { Words } from "./Words";
import { Yaml } from "./Yaml";

export function Detail({ name }: { name: string }) {
  const asked = useLoad<RuleDetail>(`rules/${encodeURIComponent(name)}`, {}, 3000);
  const { data, error } = asked;
  if (!data) return error ? <ErrorNote error={error} /> : <Loading />;
  const [row] = data.rows;
  return (
    <Page
      title={name}
      about={row ? <span class="row"><State row={row} /><Badge mood={row.severity === "critical" ? "bad" : row.severity === "warning" ? "warn" : "info"}>{row.severity}</Badge><span>{row.summary}</span></span> : "It was removed. Its versions are below."}
      actions={<Actions detail={data} row={row} onDone={asked.reload} />}
    >
      {row && whyThrottled(row) && <div class="banner warn">{whyThrottled(row)}</div>}
      {row?.waits_for && <div class="banner">{`It reads from ${row.waits_for}, which is switched off: it works again with that one.`}</div>}
      {row && <Figures rows={data.rows} />}
      <div class="rule-columns">
        {data.text && (
          <Card title="Text" note={row && (row.editable ? "made on this page" : `${row.file}, line ${row.line}`)} flush>
            <Yaml text={data.text} label={`Text of ${name}`} />
          </Card>
        )}
        {row && (
          <Card title="What it does">
            <Words words={data.words} />
          </Card>
        )}
      </div>
      {row && row.open.length > 0 && (
        <Card title="Open now" note={whole(row.open.length)}>
          <div class="row">
            {row.open.slice(0, 24).map((device) => (
              <Link key={device} class="badge bad" href={`/alerts?rule=${encodeURIComponent(name)}`}>
                {device}
              </Link>
            ))}
            {row.open.length > 24 && <span class="soft">{`and ${row.open.length - 24} more`}</span>}
          </div>
        </Card>
      )}
      {row && row.labels.length > 0 && <Labels row={row} />}
      {row && <Backtest what={{ rule: name }} />}
      <Versions detail={data} />
    </Page>
  );
}

function Actions({ detail, row, onDone }: { detail: RuleDetail; row: RuleRow | undefined; onDone: () => void }) {
  const [, go] = useLocation();
  const [isAsking, setAsking] = useState(false);
  const path = `rules/${encodeURIComponent(detail.name)}`;
  const body = { revision: detail.revision };
  const act = async (what: string, done: string): Promise<void> => {
    await attempt(() => send("POST", `${path}/${what}`, body), done);
    onDone();
  };
  return (
    <>
      {row && (row.enabled ? (
        <Button icon="pause" needs="admin" onClick={() => void act("disable", `${detail.name} is off.`)}>Switch off</Button>
      ) : (
        <Button look="main-action" icon="play" needs="admin" onClick={() => void act("enable", `${detail.name} is at work.`)}>Enable</Button>
      ))}
      {detail.versions.length > 0 && (
        <Button needs="admin" onClick={() => void act("undo", "Taken back.")}>Undo the last change</Button>
      )}
      {row?.editable && <Button needs="admin" look="danger" onClick={() => setAsking(true)}>Remove</Button>}
      {row?.editable && <Button look={row.enabled ? "main-action" : undefined} onClick={() => go(`/rules/${encodeURIComponent(detail.name)}/edit`)}>Edit</Button>}
      {isAsking && (
        <Dialog
          title={`Remove ${detail.name}?`}
          onClose={() => setAsking(false)}
          footer={
            <Button look="danger" onClick={async () => {
              setAsking(false);
              await attempt(() => send("DELETE", `${path}?revision=${detail.revision}`), "Removed. Undo brings it back.");
              onDone();
            }}>
              Remove
            </Button>
          }
        >
          <p>Its open alerts end. Its versions stay, and “Undo” brings it back.</p>
        </Dialog>
      )}
    </>
  );
}

function Figures({ rows }: { rows: readonly RuleRow[] }) {
  const sum = (of: (row: RuleRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const newest = Math.max(...rows.map((row) => row.raised_ns));
  const open = sum((row) => row.open.length);
  return (
    <div class="grid rule-figures">
      <Stat title="Open alerts" value={whole(open)} mood={open ? "bad" : ""} note={`${whole(rows[0]?.alerts_day ?? 0)} raised in 24 h`} />
      <Stat title="Last fired" value={newest ? ago(newest) : "never"} note={exact(newest)} />
      <Stat title="Cost" value={percent(sum((row) => row.cpu_share))} unit="of a core" note={`${figure(Math.round(sum((row) => row.cpu_us_per_reading) * 100) / 100)} µs a reading`} />
      <Stat title="Keeps apart" value={short(Math.max(...rows.map((row) => row.keys)))} unit="devices" note={`${bytes(sum((row) => row.state_bytes))} of memory`} />
      <Stat title="Judged" value={short(sum((row) => row.evaluations))} note={`${short(sum((row) => row.decisions))} decisions, ${short(sum((row) => row.readings))} readings`} />
    </div>
  );
}

function Labels({ row }: { row: RuleRow }) {
  return (
    <Card title="What people said of its alerts" note="each word moves that series' threshold" flush>
      <Table
        label="Labelled series"
        rows={row.labels}
        id={(one) => `${one.node}/${one.device}/${one.metric}`}
        maxHeight="20rem"
        columns={[
          { name: "Series", cell: (one) => `${one.device}/${one.metric}`, sort: (one) => `${one.device}/${one.metric}` },
          { name: "Threshold", cell: (one) => figure(one.threshold), sort: (one) => one.threshold, isNumber: true },
          { name: "Confirmed", cell: (one) => one.confirmed, sort: (one) => one.confirmed, isNumber: true },
          { name: "Rejected", cell: (one) => one.rejected, sort: (one) => one.rejected, isNumber: true },
        ]}
      />
    </Card>
  );
}

function Versions({ detail }: { detail: RuleDetail }) {
  const [seen, setSeen] = useState<RuleVersion | null>(null);
  const [, go] = useLocation();
  const isEditable = detail.rows.length === 0 || detail.rows[0]?.editable;
  return (
    <Card title="Versions" note={detail.versions.length ? whole(detail.versions.length) : undefined} flush={detail.versions.length > 0}>
      {detail.versions.length === 0 && <Empty title="Nothing was changed here.">What is changed in its file isn't listed.</Empty>}
      {detail.versions.length > 0 && (
        <Table
          label="Versions"
          rows={detail.versions}
          id={(one) => one.n}
          maxHeight="22rem"
          columns={[
            { name: "When", cell: (one) => <span class="nowrap" title={exact(one.at_ns)}>{moment(one.at_ns)}</span> },
            { name: "Who", cell: (one) => <span class="wrap">{one.by}</span> },
            { name: "What", cell: (one) => `${one.did}${one.did === "made" || one.did === "undone" ? (one.on ? ", on" : ", off") : ""}` },
            { name: "", cell: (one) => one.text !== null && <Button look="quiet" aria-label={`Text of version ${one.n}`} onClick={() => setSeen(one)}>Text</Button> },
          ]}
        />
      )}
      {seen && (
        <Dialog
          wide
          title={`${detail.name}, version ${seen.n}`}
          onClose={() => setSeen(null)}
          footer={isEditable && <Button needs="admin" onClick={() => go(`/rules/${encodeURIComponent(detail.name)}/edit?version=${seen.n}`)}>Edit from here</Button>}
        >
          <Facts rows={[["who", seen.by], ["when", exact(seen.at_ns)], ["what", seen.did]]} />
          <Yaml text={seen.text ?? ""} label={`Text of version ${seen.n}`} />
        </Dialog>
      )}
    </Card>
  );
}
