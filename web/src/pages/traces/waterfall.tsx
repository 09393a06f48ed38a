// Each step as a bar where and how long it was.
import { tree, WORDS, type Span } from "./steps";

/** 85 µs · 4.4 ms · 12.3 s */
export function took(ns: number): string {
  if (ns < 1e6) return `${Math.round(ns / 1e3)} µs`;
  return ns < 1e10 ? `${(ns / 1e6).toFixed(ns < 1e7 ? 1 : 0)} ms` : `${(ns / 1e9).toFixed(1)} s`;
}

const SKIPPED = new Set(["kind", "series", "ts_ns", "quality", "what", "rules", "alerts", "decisions", "event", "rule", "severity"]);

export function Waterfall({ spans }: { spans: readonly Span[] }) {
  const steps = tree(spans);
  const nodes = [...new Set(steps.map(({ span }) => span.node))];
  const end = Math.max(...spans.map((span) => span.end_ns));
  // What a device waited would hide all else: bars begin where the node comes in.
  const inner = spans.filter((span) => span.parent && span.name !== "device");
  const zero = Math.min(...(inner.length ? inner : spans).map((span) => span.start_ns));
  const whole = Math.max(1, end - zero);
  return (
    <div class="waterfall" role="table" aria-label="Steps of this trace">
      <div class="scale" aria-hidden="true">
        <span>
          <span>0</span>
          <span>{took(whole / 2)}</span>
          <span>{took(whole)}</span>
        </span>
      </div>
      {steps.map(({ span, depth }, i) => {
        const from = Math.max(0, span.start_ns - zero) / whole, to = Math.max(0, span.end_ns - zero) / whole;
        const isOff = span.name === "device";
        const isFirst = i === 0 || steps[i - 1]?.span.node !== span.node;
        return (
          <div class="step" role="row" key={`${span.node}:${span.id}:${span.start_ns}`} title={WORDS[span.name] ?? ""}>
            <span class="at" role="cell">
              {isFirst && <b class={`node node-${nodes.indexOf(span.node) % 8}`}>{span.node}</b>}
            </span>
            <span class="name" role="cell" style={{ paddingLeft: `${depth * 0.9}rem` }}>{span.name}</span>
            <span class="took" role="cell">{took(span.end_ns - span.start_ns)}</span>
            <span class="track" role="cell">
              {isOff ? (
                <em>before this</em>
              ) : (
                <i class={`node-${nodes.indexOf(span.node) % 8} ${span.parent ? "" : "root"}`} style={{ left: `${from * 100}%`, width: `${Math.max(0.15, (to - from) * 100)}%` }} />
              )}
            </span>
            <span class="facts-line" role="cell">{said(span)}</span>
          </div>
        );
      })}
    </div>
  );
}

function said(span: Span): string {
  const facts = Object.entries(span.facts ?? {}).filter(([name, value]) => !SKIPPED.has(name) && value !== "" && value !== null);
  return [WORDS[span.name] ?? "", ...facts.map(([name, value]) => `${name.replace("_", " ")} ${value}`)].filter(Boolean).join(" · ");
}
