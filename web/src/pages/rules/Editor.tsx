// Writing a rule: checked as you type, tried on the past, saved switched off.
import { useEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { ApiError, send } from "~/lib/api";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { Badge, Button, Card, Empty, ErrorNote, Loading, Page } from "~/parts/basic";
import { say } from "~/parts/Toasts";
import { Backtest } from "./Backtest";
import { TextArea } from "./TextArea";
import { Words } from "./Words";
import type { RuleDetail, TextChecked, TextProblem } from "./types";

const PAUSE_MS = 350;
const FIRST = `rules:
  too-hot:
    select: avg(temperature) as t
    window: sliding 5 samples
    when: t > 60
    for: 2 samples
    clear_when: t < 55
    severity: warning
    message: "{device}: {t:.1f} °C"
`;

/** name: empty = a new rule. */
export function Editor({ name }: { name: string }) {
  const [place] = usePlace();
  const asked = useLoad<RuleDetail>(name ? `rules/${encodeURIComponent(name)}` : null);
  if (name && !asked.data) return asked.error ? <ErrorNote error={asked.error} /> : <Loading />;
  const version = asked.data?.versions.find((one) => String(one.n) === place.get("version"));
  return <Writing name={name} first={version?.text ?? asked.data?.text ?? FIRST} revision={asked.data?.revision ?? ""} isOn={asked.data?.rows[0]?.enabled ?? false} />;
}

function useCheck(text: string): { checked: TextChecked | null; isChecking: boolean; error: ApiError | null } {
  const [checked, setChecked] = useState<TextChecked | null>(null);
  const [isChecking, setChecking] = useState(true);
  const [error, setError] = useState<ApiError | null>(null);
  const round = useRef(0);
  useEffect(() => {
    const mine = ++round.current;
    setChecking(true);
    const timer = setTimeout(async () => {
      try {
        const found = await send<TextChecked>("POST", "rules/check", { text });
        if (mine !== round.current) return; // an older question's answer
        setChecked(found);
        setError(null);
      } catch (failure) {
        if (mine === round.current) setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      }
      if (mine === round.current) setChecking(false);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return { checked, isChecking, error };
}

function Writing({ name, first, revision, isOn }: { name: string; first: string; revision: string; isOn: boolean }) {
  const [text, setText] = useState(first);
  const [goTo, setGoTo] = useState<{ line: number; column: number } | null>(null);
  const [, go] = useLocation();
  const { checked, isChecking, error } = useCheck(text);
  const problems = checked?.problems ?? [];
  const isGood = !isChecking && !error && checked !== null && problems.length === 0;
  const target = name || (checked?.words[0]?.rule ?? "");
  const foreign = checked?.foreign ?? [];
  const save = async (enabled: boolean | null): Promise<void> => {
    try {
      await send("PUT", `rules/${encodeURIComponent(target)}`, { text, revision, enabled });
      say(enabled ? `${target} is at work.` : "Saved.");
      go(`/rules/${encodeURIComponent(target)}`);
    } catch (failure) {
      say(failure instanceof ApiError ? [failure.message, failure.hint].filter(Boolean).join(" — ") : String(failure), true);
    }
  };
  return (
    <Page
      title={name ? `Edit ${name}` : "New rule"}
      about={<Link href={name ? `/rules/${encodeURIComponent(name)}` : "/rules"}>Back without saving</Link>}
      actions={
        <>
          {!name && <Recipes onPick={setText} />}
          {name ? (
            <Button look="main-action" needs="admin" disabled={!isGood} onClick={() => void save(null)}>
              {isOn ? "Save: at work at once" : "Save"}
            </Button>
          ) : (
            <>
              <Button needs="admin" disabled={!isGood} onClick={() => void save(true)}>
                Save and enable
              </Button>
              <Button look="main-action" needs="admin" disabled={!isGood} onClick={() => void save(false)}>
                Save switched off
              </Button>
            </>
          )}
        </>
      }
    >
      <div class="rule-columns">
        <Card
          title="Text"
          actions={<Verdict isChecking={isChecking} problems={problems} error={error} />}
          flush
        >
          <TextArea value={text} onChange={setText} problems={problems} goTo={goTo} />
          <Problems problems={problems} onGo={setGoTo} />
        </Card>
        <Card title="What it does">
          {error && <ErrorNote error={error} />}
          {foreign.length > 0 && (
            <div class="banner warn" role="alert">{`${foreign.join(", ")} stands in a file of the operator's own: choose another name to save it here.`}</div>
          )}
          {checked && problems.length === 0 ? (
            <div class="stack">
              <Words words={checked.words} />
              {checked.rules.flatMap((one) => one.warnings).map((warning) => (
                <div key={warning} class="banner warn">
                  {warning}
                </div>
              ))}
              <Changes checked={checked} />
            </div>
          ) : (
            !error && <Empty title={problems.length ? "It can't be used yet." : "Checking…"}>{problems.length ? "Mend what is marked in the text." : ""}</Empty>
          )}
        </Card>
      </div>
      <Backtest what={{ text }} isReady={isGood} />
    </Page>
  );
}

function Verdict({ isChecking, problems, error }: { isChecking: boolean; problems: readonly TextProblem[]; error: ApiError | null }) {
  const said = error ? "not checked" : isChecking ? "checking…" : problems.length ? `${problems.length} ${problems.length === 1 ? "problem" : "problems"}` : "good";
  return (
    <span role="status">
      <Badge mood={error || isChecking ? "" : problems.length ? "bad" : "good"}>{said}</Badge>
    </span>
  );
}

function Problems({ problems, onGo }: { problems: readonly TextProblem[]; onGo: (place: { line: number; column: number }) => void }) {
  return (
    <ul id="rule-problems" class="rule-problems">
      {problems.map((one, i) => (
        <li key={i}>
          {one.line > 0 ? (
            <button type="button" onClick={() => onGo({ line: one.line, column: one.column })}>
              {`line ${one.line}`}
            </button>
          ) : (
            <span class="faint">elsewhere</span>
          )}
          <span class="wrap">{one.message}</span>
        </li>
      ))}
    </ul>
  );
}

/** What a save does to the rule that is here. */
function Changes({ checked }: { checked: TextChecked }) {
  return (
    <>
      {checked.changes
        .filter((change) => change.what === "changed")
        .map((change) => (
          <div key={change.rule} class="stack rule-changes">
            <h3>What changes</h3>
            {change.keys.map((key) => (
              <div key={key.key} class="mono small">
                <span class="soft">{`${key.key}: `}</span>
                {key.old !== null && <del>{key.old}</del>}
                {key.new !== null && <ins>{key.new}</ins>}
              </div>
            ))}
            <p class="small soft">
              {change.alarm_kept ? "It keeps its windows, alerts and timers." : change.window_kept ? "It keeps its windows; its alerts start anew." : "It starts with empty windows and no alert."}
            </p>
          </div>
        ))}
    </>
  );
}

function Recipes({ onPick }: { onPick: (text: string) => void }) {
  const [known, setKnown] = useState<[string, string][]>([]);
  useEffect(() => void import("./recipes").then((found) => setKnown(found.recipes), () => undefined), []);
  if (!known.length) return null;
  return (
    <select class="select rule-recipes" aria-label="Begin with a recipe" value="" onChange={(event) => {
      const found = known.find(([name]) => name === event.currentTarget.value);
      if (found) onPick(found[1]);
      event.currentTarget.value = "";
    }}>
      <option value="">Begin with a recipe…</option>
      {known.map(([name]) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
