// One alert: what it says, why, its inputs around it, what became of it, and what to do about it.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { status } from "~/app";
import { useLoad } from "~/lib/load";
import { useWatch } from "~/lib/live";
import { figure } from "~/lib/format";
import { may } from "~/lib/session";
import { ago, exact, lasting, moment, now } from "~/lib/time";
import { converter, unit } from "~/lib/units";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, type Mood } from "~/parts/basic";
import { aligned, type Point } from "~/lib/align";
import { Chart, type Line, type Mark } from "~/parts/Chart";
import { Icon, type IconName } from "~/parts/Icon";
import { ActDialog, isTyping, KeysDialog, type Act } from "~/pages/alerts/acts";
import { moodOf, type Alert, type AlertDetail, type StoryLine } from "~/pages/alerts/data";

interface Answer {
  series: { series: string; unit: string; kind: string; ts: number[]; mean?: (number | null)[]; last?: (number | string | boolean | null)[] }[];
}

const POINTS = 500, MOST_LINES = 6;

export function Detail({ id }: { id: number }) {
  const asked = useLoad<AlertDetail>(`alerts/${id}`, {}, 10_000);
  const story = useLoad<StoryLine[]>(`alerts/${id}/timeline`, {}, 10_000);
  const [act, setAct] = useState<Act | null>(null);
  const [isHelp, setHelp] = useState(false);
  const [, go] = useLocation();
  const reload = (): void => {
    asked.reload();
    story.reload();
  };
  useWatch<{ changed: Alert[] }>("alerts", {}, ({ changed }) => {
    if (changed.some((one) => one.id === id)) reload();
  });
  const one = asked.data;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      if (event.key === "u" || event.key === "Escape") go("/alerts");
      else if (event.key === "?") setHelp(true);
      else if (!one || !may("operator", true)) return;
      else if (event.key === "a" && one.state === "open" && !one.acknowledged_ns) setAct("acknowledge");
      else if (event.key === "c") setAct("comment");
      else if (event.key === "s") setAct("silence");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [one, go]);
  if (!one) {
    if (!asked.error) return <Loading />;
    return asked.error.status === 404 ? (
      <Empty title={`There is no alert ${id}.`}>
        Old ones are forgotten once they're over. <Link href="/alerts">To the alerts</Link>
      </Empty>
    ) : (
      <ErrorNote error={asked.error} />
    );
  }
  return (
    <div class="stack alert-page">
      <Link href="/alerts" class="back-link">
        <Icon name="back" /> Alerts
      </Link>
      <Head one={one} onAct={setAct} onHelp={() => setHelp(true)} />
      <div class="alert-columns">
        <div class="stack">
          <Around one={one} />
          <Why one={one} />
        </div>
        <Card title="What became of it" actions={<Button icon="plus" needs="operator" far onClick={() => setAct("comment")}>Comment</Button>}>
          <Story lines={story.data ?? []} next={one.next_steps} isLoading={!story.data && !story.error} />
          {story.error && <ErrorNote error={story.error} />}
        </Card>
      </div>
      {act && <ActDialog act={act} alert={one} onDone={reload} onClose={() => setAct(null)} />}
      {isHelp && <KeysDialog onClose={() => setHelp(false)} />}
    </div>
  );
}

function Head({ one, onAct, onHelp }: { one: AlertDetail; onAct: (act: Act) => void; onHelp: () => void }) {
  const isOpen = one.state === "open", isDetector = "detector" in one.why, model = modelOf(one);
  const end = one.cleared_ns ? one.cleared_ns / 1e6 : now.value;
  return (
    <header class="stack alert-head">
      <div class="row">
        <Badge mood={isOpen ? moodOf(one.severity) : ""}>{one.severity}</Badge>
        <Badge mood={isOpen ? "" : "good"}>{isOpen ? "open" : "over"}</Badge>
        {one.acknowledged_ns > 0 && <Badge mood="good">{`acknowledged by ${one.acknowledged_by}`}</Badge>}
        {!!one.maintenance && <Badge mood="info" title="It was raised during planned works: nobody was told while they lasted.">{`in maintenance ${one.maintenance}`}</Badge>}
        {one.below === "waiting" && <Badge mood="info" title="It’s on this node’s disk, and goes down as soon as the site is reached.">waiting for the site</Badge>}
        {(one.below === "refused" || one.below === "expired") && <Badge mood="warn">{one.below === "refused" ? "the site refused it" : "the site never took it"}</Badge>}
        {one.label && <Badge mood={one.label === "confirmed" ? "good" : "warn"}>{`${one.label} by ${one.label_by}`}</Badge>}
        <span class="soft small">{`alert ${one.id}`}</span>
      </div>
      <h1>{one.message}</h1>
      <p class="soft">
        <span title={exact(one.raised_ns)}>{`raised ${ago(one.raised_ns)}`}</span>
        {`, ${isOpen ? "open for" : "lasted"} ${lasting(Math.max(0, (end - one.raised_ns / 1e6) / 1000))} · `}
        <Link href={`/devices?device=${encodeURIComponent(one.device)}&node=${encodeURIComponent(one.node)}`}>{one.device}</Link>
        {one.metric && ` · ${one.metric}`}
        {" · rule "}
        <Link href={`/rules/${encodeURIComponent(one.rule)}`}>{one.rule}</Link>
        {` · node ${one.node}`}
      </p>
      {one.unable && <p class="unable small" role="note">{`${one.unable.replaceAll("`", "")}. What you do here stays here.`}</p>}
      <div class="row">
        {isOpen && !one.acknowledged_ns && (
          <Button look="main-action" icon="check" needs="operator" far onClick={() => onAct("acknowledge")}>Acknowledge</Button>
        )}
        <Button needs="operator" far onClick={() => onAct("comment")}>Comment</Button>
        <Button icon="pause" needs="operator" far onClick={() => onAct("silence")}>Silence</Button>
        {isDetector && (
          <>
            <Button needs="operator" far aria-pressed={one.label === "confirmed"} onClick={() => onAct("confirmed")}>It was right</Button>
            <Button needs="operator" far aria-pressed={one.label === "rejected"} onClick={() => onAct("rejected")}>It was none</Button>
          </>
        )}
        {model && (
          <Link class="button" href={`/models/${model}/labels?device=${encodeURIComponent(`${one.node}/${one.device}`)}&from=${one.raised_ns}&to=${one.cleared_ns || ""}`}>
            Say what it was
          </Link>
        )}
        <Button look="quiet" class="keys-button" aria-label="Keys" onClick={onHelp}>
          <kbd>?</kbd>
        </Button>
      </div>
    </header>
  );
}

/** The deployment whose result the rule reads; empty = none. */
function modelOf(one: AlertDetail): string {
  if (one.node !== status.value?.node) return ""; // models are at their own node
  const found = Object.keys(asObject(one.why["inputs"])).map((metric) => /^ml\.([a-z][a-z0-9_]*)\./.exec(metric)?.[1]);
  return found.find((name) => name !== undefined) ?? "";
}

/** The inputs around it: marks where it was raised and cleared, a line at the threshold. */
function Around({ one }: { one: AlertDetail }) {
  const { around } = one;
  const names = around.series.slice(0, MOST_LINES);
  // Of an open alert the end moves on: a new question every half minute is enough.
  const end = Math.min(around.to_ns, one.cleared_ns ? around.to_ns : Math.ceil(now.value / 30_000) * 30_000 * 1e6);
  const step = Math.max(1, Math.round((end - around.from_ns) / 1e9 / POINTS));
  const asked = useLoad<Answer>(names.length ? "query" : null, {
    series: names, from: (around.from_ns / 1e9).toFixed(3), to: (end / 1e9).toFixed(3), step: String(step), aggregates: "mean,last",
  });
  const drawn = useMemo(() => draw(asked.data), [asked.data]);
  const marks = useMemo((): Mark[] => {
    const mood = one.severity === "critical" ? "bad" : one.severity === "warning" ? "warn" : "info";
    return [{ from: one.raised_ns / 1e6, to: one.cleared_ns ? one.cleared_ns / 1e6 : now.peek(), mood, label: "open" }];
  }, [one.raised_ns, one.cleared_ns, one.severity, asked.data]);
  const levels = useMemo(
    () =>
      around.thresholds.flatMap(({ value, text, series }) => {
        const shown = asked.data?.series.find((column) => column.series === series);
        return shown ? [{ value: converter(shown.unit)(value), label: text }] : [];
      }),
    [around.thresholds, asked.data],
  );
  const times = `from=${Math.round(around.from_ns / 1e6)}&to=${Math.round(end / 1e6)}`;
  const latest = names.length > 0 ? `/charts?${names.map((name) => `series=${encodeURIComponent(name)}`).join("&")}&${times}` : "";
  return (
    <Card title="Around it" note={names.length ? undefined : "no inputs are known"} actions={latest && <Link href={latest} class="button quiet">Open in Charts</Link>}>
      {!names.length && <p class="soft">What this rule reads isn't stored here as a series, so there's nothing to draw.</p>}
      {asked.error && <ErrorNote error={asked.error} />}
      {names.length > 0 && !asked.data && !asked.error && <Loading />}
      {drawn && (drawn.times.length ? (
        <>
          <Chart label={`${names.join(", ")} around the alert`} times={drawn.times} lines={drawn.lines} marks={marks} levels={levels} height={280} />
          <div class="legend">
            {drawn.lines.map((line, i) => (
              <span key={line.name} class={`key series-${(i % 8) + 1}`}>
                <i />
                {line.name}
                {line.unit && <span class="faint">{line.unit}</span>}
              </span>
            ))}
            {levels.map(({ label }) => (
              <span key={label} class="key level">
                <i />
                {label}
              </span>
            ))}
            <span class={`key span ${moodOf(one.severity)}`}>
              <i />
              while it was open
            </span>
          </div>
        </>
      ) : (
        <p class="soft">There are no numbers of that time any more.</p>
      ))}
    </Card>
  );
}

function draw(answer: Answer | null): { times: number[]; lines: Line[] } | null {
  if (!answer) return null;
  const columns = answer.series.filter((column) => column.kind !== "text");
  const points = columns.map((column): Point[] => {
    const shown = converter(column.unit);
    return column.ts.map((ts, i) => {
      const told = column.mean?.[i] ?? column.last?.[i] ?? null;
      return [ts / 1e6, told === null || typeof told === "string" ? null : shown(Number(told))];
    });
  });
  const { times, values } = aligned(points);
  return { times, lines: columns.map((column, i) => ({ name: column.series, values: values[i] ?? [], unit: unit(column.unit), kind: column.kind === "bool" ? "bool" : "" })) };
}

function Why({ one }: { one: AlertDetail }) {
  const why = one.why, values = asObject(why["values"]), window = asObject(why["window"]), detector = asObject(why["detector"]);
  const text = (name: string): string => (typeof why[name] === "string" ? (why[name] as string) : "");
  return (
    <Card title="Why">
      <Facts
        rows={[
          ["Condition", <code key="c" class="wrap">{text("condition") || "—"}</code>],
          text("explanation") !== "" && ["Explanation", text("explanation")],
          text("because") !== "" && ["Because it", text("because")],
          ["Values", <Values key="v" values={values} />],
          one.cleared_why && ["When it ended", <Values key="e" values={asObject(one.cleared_why["values"])} />],
          ["Window", [String(window["text"] ?? "none"), windowSpan(window)].filter(Boolean).join(", ")],
          Array.isArray(why["reads"]) && ["Reads", (why["reads"] as unknown[]).map(String).join(", ")],
          detector["name"] !== undefined && ["Detector", `${String(detector["name"])}, threshold ${spokenOf(detector["threshold"])}`],
          ["Decided on", text("decided_on") || "—"],
          ["Rule's version", <code key="r">{text("rule_version") || "—"}</code>],
          typeof why["skipped_bad"] === "number" && why["skipped_bad"] > 0 && ["Left out", `${String(why["skipped_bad"])} readings of bad quality`],
          ["Heard here", moment(one.heard_ns)],
        ]}
      />
      <details class="rule-text">
        <summary>The rule as it was</summary>
        {one.rule_text ? <pre>{asYaml(one.rule_text)}</pre> : <p class="soft">Its text of then isn't known here.</p>}
      </details>
    </Card>
  );
}

function Values({ values }: { values: Record<string, unknown> }) {
  const entries = Object.entries(values);
  if (!entries.length) return <span>—</span>;
  return (
    <span class="values">
      {entries.map(([name, value]) => (
        <span key={name}>
          <span class="soft">{name}</span> <strong>{spokenOf(value)}</strong>
        </span>
      ))}
    </span>
  );
}

const asObject = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {});
const spokenOf = (value: unknown): string => (typeof value === "number" ? figure(value) : value === null || value === undefined ? "unknown" : String(value));

function windowSpan(window: Record<string, unknown>): string {
  const { from, to } = window;
  return typeof from === "number" && typeof to === "number" ? `${moment(from)} to ${moment(to)}` : "";
}

/** A rule's text as people write it: enough YAML for what rules are made of. */
function asYaml(value: unknown, depth = 0): string {
  const pad = "  ".repeat(depth);
  if (Array.isArray(value)) return value.map((one) => `${pad}- ${asYaml(one, depth + 1).trimStart()}`).join("\n");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value)
      .map(([key, one]) => `${pad}${key}: ${typeof one === "object" && one !== null ? `\n${asYaml(one, depth + 1)}` : asYaml(one)}`)
      .join("\n");
  }
  return String(value);
}

const KINDS: Record<string, [IconName, Mood, (line: StoryLine) => ComponentChildren]> = {
  raised: ["alerts", "bad", (line) => `Raised by ${line.who}`],
  renewed: ["rules", "", () => "Raised again, by another version of its rule"],
  told: ["check", "info", (line) => `Told through ${line.who}`],
  reminded: ["check", "info", (line) => `Reminded through ${line.who}`],
  ended: ["check", "info", (line) => `The end was told through ${line.who}`],
  escalated: ["next", "warn", (line) => `Escalated to ${line.who} (${line.detail})`],
  elsewhere: ["next", "", (line) => `Outside the hours of ${line.who}: ${line.detail} tells`],
  given_up: ["close", "bad", (line) => `${line.who} couldn't tell: ${line.detail}`],
  silenced: ["pause", "", (line) => `Held back for ${line.who} by silence ${line.detail}`],
  planned: ["pause", "", (line) => (line.who ? `Held back for ${line.who} by maintenance ${line.detail}` : `Raised during maintenance ${line.detail}`)],
  acknowledged: ["person", "good", (line) => `Acknowledged by ${line.who}`],
  commented: ["person", "", (line) => line.who],
  labelled: ["person", "", (line) => `Labelled by ${line.who}`],
  sent: ["next", "info", (line) => `Sent to the site by ${line.who}`],
  arrived: ["check", "good", (line) => `Done at ${line.who}`],
  turned_away: ["close", "bad", (line) => `Refused by ${line.who}`],
  cleared: ["check", "good", (line) => `Cleared by ${line.who}`],
};
const WITH_WORDS = new Set(["raised", "acknowledged", "commented", "labelled", "cleared", "sent", "arrived", "turned_away"]);

function Story({ lines, next, isLoading }: { lines: StoryLine[]; next: AlertDetail["next_steps"]; isLoading: boolean }) {
  if (isLoading) return <Loading />;
  return (
    <ol class="story">
      {lines.map((line, i) => {
        const [icon, mood, words] = KINDS[line.kind] ?? ["logs", "", () => `${line.kind} ${line.who}`];
        return (
          <li key={`${line.at_ns} ${line.kind} ${i}`} class={`${line.kind} ${mood}`}>
            <Icon name={icon} />
            <div>
              <span>{words(line)}</span>
              {WITH_WORDS.has(line.kind) && line.detail && <p class="said">{line.detail}</p>}
            </div>
            <time class="faint small nowrap" title={exact(line.at_ns)}>
              {moment(line.at_ns)}
            </time>
          </li>
        );
      })}
      {next.map((step) => (
        <li key={`${step.escalation} ${step.step}`} class="coming">
          <Icon name="next" />
          <span>{`Next: ${step.escalation}, step ${step.step}, unless somebody acknowledges`}</span>
          <time class="faint small nowrap">{ago(step.due_ns)}</time>
        </li>
      ))}
    </ol>
  );
}
