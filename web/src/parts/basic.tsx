// The small parts that every page is made of.
import type { ComponentChildren, JSX } from "preact";
import type { Told } from "~/lib/align";
import type { ApiError } from "~/lib/api";
import { whyNot, type Role } from "~/lib/session";
import { Icon, type IconName } from "~/parts/Icon";

export type Mood = "good" | "warn" | "bad" | "info" | "";

/** A page's head and content. actions: at the right of the title. */
export function Page(props: { title: string; about?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <div class="stack">
      <div class="head">
        <div>
          <h1>{props.title}</h1>
          {props.about && <p>{props.about}</p>}
        </div>
        {props.actions && <div class="row">{props.actions}</div>}
      </div>
      {props.children}
    </div>
  );
}

/** A panel. flush: its content reaches the border, as a table does. */
export function Card(props: {
  title?: ComponentChildren;
  note?: ComponentChildren;
  actions?: ComponentChildren;
  flush?: boolean;
  children: ComponentChildren;
}) {
  return (
    <section class="card">
      {(props.title || props.actions) && (
        <header>
          <h2>
            {props.title}
            {props.note !== undefined && <small>{props.note}</small>}
          </h2>
          {props.actions && <div class="row">{props.actions}</div>}
        </header>
      )}
      <div class={props.flush ? "body flush" : "body"}>{props.children}</div>
    </section>
  );
}

/** One figure that matters. */
export function Stat(props: { title: string; value: ComponentChildren; unit?: string; note?: ComponentChildren; mood?: Mood; children?: ComponentChildren }) {
  return (
    <section class={`card stat ${props.mood ?? ""}`}>
      <h3>{props.title}</h3>
      <strong>
        {props.value}
        {props.unit && <small>{props.unit}</small>}
      </strong>
      {props.children}
      {props.note && <p>{props.note}</p>}
    </section>
  );
}

export function Badge({ mood = "", children, title }: { mood?: Mood; children: ComponentChildren; title?: string }) {
  return (
    <span class={`badge ${mood}`} title={title}>
      {children}
    </span>
  );
}

type ButtonProps = Omit<JSX.ButtonHTMLAttributes<HTMLButtonElement>, "icon" | "role"> & {
  icon?: IconName;
  look?: "main-action" | "danger" | "quiet";
  /** The role that pressing needs; without it the button is off and says why. */
  needs?: Role;
  /** A site that is looked at through its hub takes it from there. */
  far?: boolean;
};

/** A button; without words it needs `aria-label`. */
export function Button({ icon, look, needs, far, children, disabled, title, ...rest }: ButtonProps) {
  const lacks = needs === undefined ? "" : whyNot(needs, far);
  const { class: extra, ...others } = rest as { class?: string };
  return (
    <button
      type="button"
      {...others}
      class={`button ${look ?? ""} ${extra ?? ""}`}
      disabled={lacks !== "" || disabled}
      title={lacks || title}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A labelled control: put an input, select or textarea inside. */
export function Field(props: { label: string; hint?: string; wrong?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{props.label}</span>
      {props.children}
      {props.wrong ? <span class="wrong">{props.wrong}</span> : props.hint && <span class="hint">{props.hint}</span>}
    </label>
  );
}

export function Search(props: { label: string; value: string; onChange: (text: string) => void; placeholder?: string }) {
  return (
    <input
      class="input search"
      type="search"
      aria-label={props.label}
      placeholder={props.placeholder ?? props.label}
      value={props.value}
      onInput={(event) => props.onChange(event.currentTarget.value)}
    />
  );
}

/** One of a few; more than five want a select. */
export function Segment<T extends string>(props: { label: string; value: T; choices: readonly (readonly [T, string])[]; onChange: (value: T) => void }) {
  return (
    <div class="segment" role="group" aria-label={props.label}>
      {props.choices.map(([value, text]) => (
        <button key={value} type="button" aria-pressed={value === props.value} onClick={() => props.onChange(value)}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** part: 0 to 1. */
export function Meter({ part, label, mood = "" }: { part: number; label: string; mood?: Mood }) {
  const percent = Math.min(100, Math.max(0, part * 100));
  return (
    <div class={`meter ${mood}`} role="meter" aria-label={label} aria-valuenow={Math.round(percent)} aria-valuemin={0} aria-valuemax={100}>
      <i style={{ width: `${percent}%` }} />
    </div>
  );
}

/** Nothing to show, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading({ label = "Loading" }: { label?: string }) {
  return (
    <div class="empty" role="status">
      <span class="loading" />
      <span class="hidden-text">{label}</span>
    </div>
  );
}

/** What went wrong and what to do, in the node's own words. */
export function ErrorNote({ error }: { error: ApiError }) {
  return (
    <div class="banner bad" role="alert">
      <span>
        {error.message}
        {error.hint && <span class="small">{` — ${error.hint}`}</span>}
      </span>
    </div>
  );
}

/** Names and values. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren] | false | null | undefined)[] }) {
  return (
    <dl class="facts">
      {rows.map((row) => row && [<dt key={`${row[0]}:`}>{row[0]}</dt>, <dd key={row[0]}>{row[1]}</dd>])}
    </dl>
  );
}

/** A small line of the latest values; null is a gap, undefined isn't: the line goes on. fromZero: as rates are drawn, so that a small change looks small. */
export function Spark({ values, label, fromZero }: { values: readonly Told[]; label: string; fromZero?: boolean }) {
  const known = values.filter((v): v is number => typeof v === "number");
  const low = fromZero ? Math.min(0, ...known) : Math.min(...known), high = Math.max(...known), span = high - low || 1;
  let line = "", isOpen = false, first = 0, last = 0;
  values.forEach((v, i) => {
    if (v === null) isOpen = false;
    else if (v !== undefined) {
      const x = (i * 100) / Math.max(1, values.length - 1), y = known.length ? 30 - ((v - low) / span) * 28 : 16;
      if (!line) first = x;
      last = x;
      line += `${isOpen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      isOpen = true;
    }
  });
  return (
    <svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label={label}>
      {line && <path class="area" d={`${line}L${last} 32L${first} 32Z`} />}
      <path class="line" d={line} />
    </svg>
  );
}
