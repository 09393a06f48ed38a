// The versions of a deployment by what they do, what may be done with each, and what was done.
import { useState } from "preact/hooks";
import { percent, rate, short, whole } from "~/lib/format";
import { ago, exact, moment } from "~/lib/time";
import { Badge, Button, Card, Empty, Facts, type Mood } from "~/parts/basic";
import { Icon } from "~/parts/Icon";
import { Table } from "~/parts/Table";
import { DeedDialog, DEEDS, rollback, type Asked } from "./deeds";
import { Compare } from "./Compare";
import { parts, versionsOf, type Act, type Detail, type Arm, type Role, type Version } from "./types";
import { Budget, HOW, millis, MOODS, VERDICTS } from "./words";

const STAGES: readonly (readonly [Role, string, string])[] = [
  ["candidate", "Candidate", "Verified, and doesn’t run."],
  ["shadow", "Shadow", "Runs beside on the same rows; nothing follows from what it says."],
  ["canary", "Canary", "Answers for some of the devices, always the same."],
  ["active", "Active", "Answers for all the others."],
];
const ROLES: Record<string, Mood> = { active: "good", canary: "warn", shadow: "info" };

export function Life({ detail, onDone }: { detail: Detail; onDone: () => void }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const versions = versionsOf(detail), back = rollback(detail);
  const retired = versions.filter((one) => one.state === "retired");
  return (
    <div class="stack">
      <Card
        title="Versions"
        actions={
          <>
            <Button icon="plus" needs="admin" onClick={() => setAsked({ deed: "load" })}>Load a version</Button>
            <Button icon="back" needs="operator" disabled={!back} title={back || "There is nothing to go back to."} onClick={() => setAsked({ deed: "rollback" })}>Roll back</Button>
          </>
        }
      >
        <ol class="life">
          {STAGES.map(([role, title, about], i) => {
            const mine = versions.filter((one) => one.state === role);
            return (
              <li key={role} class={mine.length ? role : `${role} vacant`}>
                <h3>
                  {i > 0 && <Icon name="next" />}
                  {title}
                </h3>
                <p class="small soft">{about}</p>
                {mine.map((one) => (
                  <One key={one.ref} version={one} budget={detail.row.budget_ms} onAsk={setAsked} />
                ))}
                {!mine.length && <p class="none small soft">{role === "active" ? "Nothing answers but the fallback." : "none"}</p>}
              </li>
            );
          })}
        </ol>
        {retired.length > 0 && <Retired versions={retired} onAsk={setAsked} />}
      </Card>
      {detail.comparisons.map((one) => (
        <Compare key={one.version} comparison={one} />
      ))}
      {detail.split.length > 1 && <Split arms={detail.split} active={detail.active} />}
      <History rows={detail.history} />
      {asked && <DeedDialog asked={asked} detail={detail} onClose={() => setAsked(null)} onDone={onDone} />}
    </div>
  );
}

function One({ version, budget, onAsk }: { version: Version; budget: number | null; onAsk: (asked: Asked) => void }) {
  const runs = version.state !== "candidate" && version.health !== "off", [model, number] = parts(version.ref), fallbacks = Object.values(version.fallbacks).reduce((sum, n) => sum + n, 0);
  return (
    <article class="version" aria-label={version.ref}>
      <header>
        <strong class="wrap">{number || version.ref}</strong>
        {version.state === "canary" && <Badge mood="warn">{`${Math.round(version.share * 10) / 10} %`}</Badge>}
        {runs && version.health !== "ok" && <Badge mood={MOODS[version.health] ?? ""}>{version.health}</Badge>}
      </header>
      <p class="small soft wrap">
        {model}
        <span title={exact(version.since_ns)}>{` · ${ago(version.since_ns)}`}</span>
      </p>
      {runs && (
        <>
          <Budget p50={version.p50_ms} p99={version.p99_ms} budget={budget} />
          <Facts
            rows={[
              ["p50, p99", `${millis(version.p50_ms)}, ${millis(version.p99_ms)}`],
              ["Rows", `${rate(version.rows_per_s)}/s, ${short(version.scored)} scored`],
              version.skipped > 0 && ["Left out", short(version.skipped)],
              fallbacks > 0 && ["Fallback", Object.entries(version.fallbacks).map(([how, n]) => `${short(n)} by ${HOW[how] ?? how}`).join(", ")],
              version.errors > 0 && ["Errors", <span class="tone-bad">{short(version.errors)}</span>],
              version.batch > 0 && ["Batch", `${short(version.batch)} rows, ${short(version.queue)} wait`],
            ]}
          />
        </>
      )}
      {version.last_error && <p class="small wrap"><span class="tone-bad">Last error </span><span class="soft" title={exact(version.last_error_ns)}>{version.last_error}</span></p>}
      {version.mark && <p class="small tone-warn wrap">{`Taken back: ${version.mark}`}</p>}
      <Deeds version={version} onAsk={onAsk} />
    </article>
  );
}

/** What may be done with it now. */
function Deeds({ version, onAsk }: { version: Version; onAsk: (asked: Asked) => void }) {
  if (!version.can.length) return null;
  return (
    <div class="deeds">
      {version.can.map((deed) => {
        const { words, needs, look, icon } = DEEDS[deed];
        const say = deed === "canary" && version.state === "canary" ? "Change share" : deed === "shadow" && version.state === "canary" ? "Back to shadow" : words;
        return (
          <Button key={deed} needs={needs} icon={icon} look={look} aria-label={`${say}: ${version.ref}`} onClick={() => onAsk({ deed, version })}>
            {say}
          </Button>
        );
      })}
    </div>
  );
}

function Retired({ versions, onAsk }: { versions: readonly Version[]; onAsk: (asked: Asked) => void }) {
  return (
    <details class="retired">
      <summary>{`Retired: ${versions.length}`}</summary>
      <div class="retired-list">
        {versions.map((one) => (
          <div key={one.ref} class="row apart">
            <span>
              <strong class="wrap">{one.ref}</strong>
              <span class="soft small">{` ${ago(one.since_ns)}${one.scored ? `, ${short(one.scored)} rows scored` : ""}${one.mark ? `; taken back: ${one.mark}` : ""}`}</span>
            </span>
            <Deeds version={one} onAsk={onAsk} />
          </div>
        ))}
      </div>
    </details>
  );
}

/** Versions that act, each over its own devices: an A/B test, which devices may bias. */
function Split({ arms, active }: { arms: readonly Arm[]; active: string }) {
  return (
    <Card title="Over the devices they answer for" note="different devices each: believe the comparison on the same rows first" flush>
      <Table
        label="Versions over their devices"
        rows={arms}
        id={(one) => one.version}
        columns={[
          { name: "Version", cell: (one) => <span><strong class="wrap">{one.version}</strong>{one.version === active && <span class="soft small"> active</span>}</span> },
          { name: "Devices", isNumber: true, cell: (one) => whole(one.devices) },
          { name: "Rows", isNumber: true, cell: (one) => short(one.rows), wideOnly: true },
          { name: "No answer", isNumber: true, cell: (one) => percent(one.failed), wideOnly: true },
          { name: "Wrong", isNumber: true, cell: (one) => (one.error === null ? "—" : `${percent(one.error)} of ${short(one.labelled)}`), wideOnly: true },
          { name: "p99", isNumber: true, cell: (one) => millis(one.latency_ms[1] ?? null) },
          { name: "Against the active one", cell: (one) => { const said = one.against_error ?? one.against_failed; return said ? <Badge mood={VERDICTS[said.verdict]} title={said.words}>{said.verdict}</Badge> : ""; } },
        ]}
      />
    </Card>
  );
}

const BY_ITSELF = "holdfast";

function History({ rows }: { rows: readonly Act[] }) {
  return (
    <Card title="History" flush={rows.length > 0}>
      {rows.length === 0 ? (
        <Empty title="Nothing was changed yet.">What is done here, from the command line, in node.yaml, and by itself is listed with who and why.</Empty>
      ) : (
        <Table
          label="History"
          rows={rows}
          id={(one) => `${one.at_ns} ${one.version} ${one.do}`}
          maxHeight="24rem"
          columns={[
            { name: "When", cell: (one) => <span class="nowrap" title={exact(one.at_ns)}>{moment(one.at_ns)}</span> },
            { name: "Who", wideOnly: true, cell: (one) => (one.by === BY_ITSELF ? <Badge mood="info">by itself</Badge> : <span class="clip who">{one.by}</span>) },
            {
              name: "What",
              cell: (one) => (
                <span class="transition">
                  <strong>{one.version}</strong>
                  <span class="nowrap">
                    {one.before && <span class="soft">{`${one.before} → `}</span>}
                    <Badge mood={ROLES[one.after] ?? ""}>{one.after === "canary" && one.percent ? `canary ${percent(one.percent / 100)}` : one.after}</Badge>
                    {one.forced && <small class="soft"> forced</small>}
                  </span>
                </span>
              ),
            },
            { name: "Why", cell: (one) => <span class="clip" title={one.why}>{one.why || "—"}</span>, wideOnly: true },
          ]}
        />
      )}
    </Card>
  );
}
