// Live charts of up to twenty series: zoom, pan, compare, with gaps, doubts, alerts and thresholds drawn.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { status } from "~/app";
import { figure } from "~/lib/format";
import { dark, prefs } from "~/lib/prefs";
import { ago, clock, day, exact } from "~/lib/time";
import { unit as spokenUnit } from "~/lib/units";
import { Button, Card, Empty, ErrorNote, Page, Segment } from "~/parts/basic";
import { FirstDevice } from "~/parts/FirstDevice";
import { Icon } from "~/parts/Icon";
import { say } from "~/parts/Toasts";
import { Board, type Group } from "./charts/board";
import { coloursNow } from "./charts/drawing";
import { Panel } from "./charts/panel";
import { Picker } from "./charts/Picker";
import { picture, save } from "./charts/saving";
import { type Against, SPANS, useView, type View } from "./charts/state";
import { heightOf } from "./charts/lanes";
import { ScaleOf } from "./charts/ScaleOf";
import { csv, spokenOf, type Drawn } from "./charts/traces";
import "./charts/charts.css";

const MOST = 20;
const AGAINST: readonly (readonly [Against, string])[] = [["", "Nothing"], ["day", "Yesterday"], ["week", "Last week"]];
/** Where the pointer is, ms; all legends say what was then. */
const hover = signal<number | null>(null);

export default function Charts() {
  const [view, change] = useView();
  const [isPicking, setPicking] = useState(false);
  const board = useMemo(() => new Board(), []);
  useEffect(() => () => board.close(), [board]);
  useEffect(() => board.show(view), [board, view, prefs.value]);
  const groups = board.groups.value;
  return (
    <Page title="Charts" about={<When view={view} board={board} />} actions={
      <>
        <Button icon="plus" look="main-action" onClick={() => setPicking(true)}>Series</Button>
        <Save board={board} groups={groups} />
      </>
    }>
      <Bar view={view} change={change} />
      {board.error.value && <ErrorNote error={board.error.value} />}
      {board.missing.value.length > 0 && view.names.length > 0 && (
        <div class="banner info">{`Nothing was read yet of ${board.missing.value.join(", ")}: it's drawn from its first reading on.`}</div>
      )}
      {!view.names.length && (
        status.value?.series === 0 ? <Card><FirstDevice /></Card> :
        <Card>
          <Empty title="Choose what to look at.">Up to {MOST} series, live and as far back as this node remembers.</Empty>
          <div class="row" style={{ justifyContent: "center", paddingBottom: "1.5rem" }}>
            <Button icon="search" onClick={() => setPicking(true)}>Search series</Button>
          </div>
        </Card>
      )}
      {groups.map((group) => (
        <PanelCard key={group.unit} group={group} board={board} view={view} change={change} isTall={groups.length === 1} />
      ))}
      {groups.length > 0 && (
        <p class="ch-help">
          Drag to zoom, wheel to zoom about the pointer, shift and drag to pan, double-click to go back. On a focused chart: <kbd>←</kbd> <kbd>→</kbd> <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd>.
          Rings are uncertain readings, crosses bad ones; a shade is an alert, dashes are a rule's threshold.
        </p>
      )}
      {isPicking && <Picker chosen={view.names} most={MOST} onChange={(names) => change({ names })} onClose={() => setPicking(false)} />}
    </Page>
  );
}

function When({ view, board }: { view: View; board: Board }) {
  void board.told.value; // the time moves on
  if (view.fixed) {
    const [from, to] = view.fixed;
    return <>{`${exact(from * 1e6)} to ${exact(to * 1e6)}`}</>;
  }
  return <>{`The last ${view.span}, live${board.isLoading.value ? " …" : ""}`}</>;
}

function Bar({ view, change }: { view: View; change: (changes: Partial<View>) => void }) {
  const spans = SPANS.map(([name]) => [name, name] as const);
  return (
    <div class="ch-bar">
      <Segment label="Time in sight" value={view.fixed ? ("" as never) : view.span} choices={spans} onChange={(span) => change({ span, fixed: null })} />
      {view.fixed && <Button icon="play" onClick={() => change({ fixed: null })}>Live</Button>}
      <label class="row push small soft">
        Compare with
        <select class="select" style={{ width: "auto" }} value={view.against} onChange={(event) => change({ against: event.currentTarget.value as Against })}>
          {AGAINST.map(([value, text]) => (
            <option key={value} value={value}>{text}</option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Save({ board, groups }: { board: Board; groups: Group[] }) {
  const drawn = groups.flatMap((group) => group.drawn).filter((one) => !one.isHidden);
  const [from, to] = board.range;
  const name = (): string => `charts-${new Date(to).toISOString().slice(0, 19).replaceAll(":", "")}`;
  return (
    <>
      <Button icon="download" disabled={!drawn.length} onClick={() => save(`${name()}.csv`, new Blob([csv(drawn, ...board.range)], { type: "text/csv" }))}>CSV</Button>
      <Button icon="download" disabled={!drawn.length} onClick={() => void picture(groups, board.panels, from, to).then((blob) => blob && save(`${name()}.png`, blob))}>PNG</Button>
      <Button disabled={!drawn.length} onClick={() => void copy()}>Copy link</Button>
    </>
  );
}

async function copy(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied; it shows the same charts.");
  } catch {
    say("This browser doesn't let pages copy: take the link from the address bar.", true);
  }
}

function PanelCard({ group, board, view, change, isTall }: { group: Group; board: Board; view: View; change: (changes: Partial<View>) => void; isTall: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const zoom = (from: number, to: number): void => {
    const span = Math.min(Math.max(to - from, 1000), 400 * 86_400_000), middle = (from + to) / 2;
    change({ fixed: [middle - span / 2, middle + span / 2] });
  };
  const reset = (): void => change({ fixed: null });
  const height = group.states ? heightOf(group.drawn.filter((one) => !one.isHidden).length) : isTall ? 420 : 240;
  useEffect(() => {
    if (!box.current) return;
    const panel = new Panel(box.current, height, coloursNow(), { zoom, reset, hover: (at) => (hover.value = at) }, group.states);
    board.panels.set(group.unit, panel);
    board.mark();
    return () => {
      board.panels.delete(group.unit);
      panel.destroy();
    };
  }, [board, group.unit, height, dark.value, prefs.value.zone]);
  const pressed = (event: KeyboardEvent): void => {
    const [from, to] = board.range, span = to - from;
    const deed = { ArrowLeft: [-0.2, -0.2], ArrowRight: [0.2, 0.2], "+": [0.2, -0.2], "-": [-0.33, 0.33] }[event.key];
    if (deed) zoom(from + (deed[0] ?? 0) * span, to + (deed[1] ?? 0) * span);
    else if (event.key === "0") reset();
    else return;
    event.preventDefault();
  };
  const title = spokenUnit(group.unit) || "Without unit";
  const scales = (how: View["scales"][string] | null): void => {
    const { [group.unit]: _, ...others } = view.scales;
    change({ scales: how === null ? others : { ...others, [group.unit]: how } });
  };
  return (
    <Card
      title={title}
      note={group.drawn.length === 1 ? undefined : `${group.drawn.length} series`}
      actions={!group.states && <ScaleOf unit={group.unit} scale={view.scales[group.unit]} range={() => board.panels.get(group.unit)?.upright ?? [0, 1]} onChange={scales} />}
    >
      <div class="chart ch-panel" ref={box} tabIndex={0} role="group" onKeyDown={pressed}
        aria-label={`Chart of ${group.drawn.map((one) => one.name).join(", ")}. Arrow keys pan, plus and minus zoom, 0 goes back.`} />
      <Legend group={group} board={board} view={view} change={change} />
    </Card>
  );
}

function Legend({ group, board, view, change }: { group: Group; board: Board; view: View; change: (changes: Partial<View>) => void }) {
  void board.told.value;
  const at = hover.value;
  const short = group.drawn.every((one) => one.node === group.drawn[0]?.node);
  const toggle = (name: string): void => change({ hidden: view.hidden.includes(name) ? view.hidden.filter((one) => one !== name) : [...view.hidden, name] });
  return (
    <>
      <ul class="ch-legend">
        {group.drawn.map((one) => (
          <li key={one.name}>
            <button type="button" class="name" aria-pressed={!one.isHidden} title={one.name} onClick={() => toggle(one.name)}>
              <i class={`ch-colour-${one.colour} ${["", "dashed", "dotted"][one.dash] ?? ""}`} />
              <span>{short ? `${one.device} / ${one.metric}` : one.name}</span>
            </button>
            <Value one={one} at={at} to={board.range[1]} />
            <button type="button" class="gone" aria-label={`Take ${one.name} off`} onClick={() => change({ names: view.names.filter((name) => name !== one.name) })}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      {at !== null && <p class="small soft">{`at ${day(at)} ${clock(at)}`}</p>}
    </>
  );
}

function Value({ one, at, to }: { one: Drawn; at: number | null; to: number }) {
  const { now, before } = one;
  const place = at === null ? Math.min(now.length, now.find(to + 1)) - 1 : now.at(at);
  const value = spokenOf(one, now, place, figure), quality = now.quality[place] ?? 0;
  const then = before && at !== null ? spokenOf(one, before, before.at(at), figure) : "—";
  const mood = ["", "uncertain", "bad"][quality] ?? "";
  const told = now.ts[place] ?? 0, hasEnded = at === null && place >= 0 && to - told > Math.max(5000, now.gapMs === Infinity ? 60_000 : now.gapMs);
  return (
    <strong class={hasEnded ? "ended" : mood} title={mood}>
      {value === "—" ? value : `${value} ${spokenUnit(one.unit)}`.trim()}
      {then !== "—" && <span class="soft">{` (${then})`}</span>}
      {hasEnded && <span class="soft">{` · ${ago(told * 1e6)}`}</span>}
    </strong>
  );
}
