// One deployment: how it does, what is tried beside it, whether its data has moved, what it is.
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { percent, rate, short, whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { Badge, Card, Empty, ErrorNote, Loading, Page, Stat } from "~/parts/basic";
import { Icon } from "~/parts/Icon";
import { KeysDialog } from "~/parts/Keys";
import { About } from "./About";
import { DriftTab } from "./Drift";
import { Labels } from "./Labels";
import { Now } from "./Now";
import { took } from "./paces";
import type { Detail as Told } from "./types";
import { Life } from "./Life";
import { Budget, budgetMood, DRIFT, HEALTH, HOW, millis, MOODS, ofBudget, pathOf } from "./words";

const TABS = [["", "Now"], ["versions", "Versions"], ["drift", "Drift"], ["labels", "Labels"], ["about", "About"]] as const;
const KEYS = [["1 … 5", "Its parts, from Now to About"], ["u", "Back to all models"]] as const;

export function Detail({ name, tab }: { name: string; tab: string }) {
  const { data, error, reload } = useLoad<Told>(pathOf(name), {}, 3000);
  const [isHelp, setHelp] = useState(false);
  useWatch("alerts", {}, reload);
  useKeys(name, () => setHelp(true));
  if (!data) {
    if (!error) return <Loading label="Loading the model" />;
    return error.status === 404 ? (
      <Empty title={`No model is deployed as ${name}.`}>
        <Link href="/models">To all models</Link>
      </Empty>
    ) : (
      <Page title={name} about={<Back />}>
        <ErrorNote error={error} />
      </Page>
    );
  }
  took(data.row);
  const { row } = data, base = `/models/${encodeURIComponent(name)}`;
  if (row.health === "waiting") return <Waiting detail={data} />;
  return (
    <Page title={name} about={<Head detail={data} />}>
      {error && <ErrorNote error={error} />}
      {(row.words || HEALTH[row.health]) && <div class={MOODS[row.health] === "bad" ? "banner bad" : MOODS[row.health] === "warn" ? "banner" : "banner info"} role="status">{row.words || HEALTH[row.health]}</div>}
      {row.drift === "drifting" && tab !== "drift" && (
        <div class="banner" role="status">
          <span>
            {row.drift_words}.{" "}
            <Link class="underlined" href={`${base}/drift`}>See what has moved</Link>
          </span>
        </div>
      )}
      <Figures detail={data} />
      <nav class="tabs" aria-label={`Parts of ${name}`}>
        {TABS.map(([part, title]) => (
          <Link key={part} href={part ? `${base}/${part}` : base} aria-current={tab === part ? "page" : undefined}>
            {title}
            {part === "versions" && data.comparisons.length > 0 && <span class="tab-note">{whole(data.comparisons.length)}</span>}
          </Link>
        ))}
      </nav>
      {tab === "versions" ? <Life detail={data} onDone={reload} /> : tab === "drift" ? <DriftTab detail={data} onDone={reload} /> : tab === "labels" ? <Labels detail={data} onDone={reload} /> : tab === "about" ? <About detail={data} /> : <Now detail={data} />}
      {isHelp && <KeysDialog here={KEYS} onClose={() => setHelp(false)} />}
    </Page>
  );
}

/** Digits go to parts, `u` goes back. */
function useKeys(name: string, help: () => void): void {
  const [, go] = useLocation();
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target;
      if (at instanceof HTMLElement && at.closest("input, textarea, select, dialog, [contenteditable]")) return;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      const part = TABS[Number(event.key) - 1];
      if (part) go(`/models/${encodeURIComponent(name)}${part[0] && `/${part[0]}`}`);
      else if (event.key === "u") go("/models");
      else if (event.key === "?") help();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [name, go]);
}

/** A deployment whose model isn't on the node. */
function Waiting({ detail }: { detail: Told }) {
  return (
    <Page title={detail.name} about={<Head detail={detail} />}>
      <Card>
        <Empty title="Its model isn’t on this node yet.">
          {detail.row.words && <><span class="wrap">{`${detail.row.words}.`}</span><br /></>}
          It’s looked for again every few seconds and put to work as it comes: holdfast model add brings it to this node, holdfast model publish to the one above. Until then nothing is scored.
        </Empty>
      </Card>
    </Page>
  );
}

const Back = () => (
  <Link class="back nowrap" href="/models">
    <Icon name="back" /> All models
  </Link>
);

function Head({ detail }: { detail: Told }) {
  const { row } = detail;
  return (
    <span class="row model-head">
      <Back />
      <Badge mood={MOODS[row.health] ?? ""}>{row.health}</Badge>
      <span class="wrap">{row.active || "no version is active"}</span>
      <span class="soft">{row.task.replaceAll("-", " ")}</span>
    </span>
  );
}

function Figures({ detail }: { detail: Told }) {
  const { row } = detail, part = ofBudget(row), [mood, words] = DRIFT[row.drift];
  const answered = Object.entries(detail.running[row.active]?.fallbacks ?? {});
  return (
    <div class="grid model-figures">
      <Stat title="99 of 100 within" value={row.p99_ms === null ? "—" : millis(row.p99_ms).split(" ")[0]} {...(row.p99_ms === null ? {} : { unit: millis(row.p99_ms).split(" ")[1] ?? "" })} mood={budgetMood(part)} note={row.budget_ms === null ? "no budget is set" : `budget ${millis(row.budget_ms)}, from arrival to result`}>
        <Budget p50={row.p50_ms} p99={row.p99_ms} budget={row.budget_ms} />
      </Stat>
      <Stat title="Scored" value={rate(row.rows_per_s)} unit="rows/s" note={`of ${whole(row.devices)} ${row.devices === 1 ? "device" : "devices"}`} />
      <Stat title="By fallback" value={percent(row.fallback_share)} mood={row.fallback_share > 0.05 ? "warn" : ""} note={answered.length ? `of the last 10 minutes; since the start ${answered.map(([how, n]) => `${short(n)} by ${HOW[how] ?? how}`).join(", ")}` : row.p99_ms === null ? "nothing was scored lately" : "of the last 10 minutes; every result is the model’s own"} />
      <Stat title="Its data" value={words} mood={mood === "good" ? "" : mood} note={row.drift_words || (row.drift === "ok" ? "nothing has moved" : "it still learns what is usual")} />
      <Stat title="Open alerts" value={row.rule ? whole(row.open_alerts) : "—"} mood={row.open_alerts ? "bad" : ""} note={row.rule ? <Link href={`/alerts?rule=${encodeURIComponent(row.rule)}`}>{`rule ${row.rule}`}</Link> : "it has no alert of its own"} />
    </div>
  );
}
