// A trace's steps in order, each with its depth: the same tree that `holdfast trace` prints.
export type Fact = string | number | boolean | null;

export interface Span {
  trace: string;
  id: string;
  node: string;
  name: string;
  start_ns: number;
  end_ns: number;
  parent?: string;
  facts?: Record<string, Fact>;
  links?: string[];
}

export interface Step {
  span: Span;
  depth: number;
}

/** Steps with what they're part of before them; of one with nothing above it here, the depth is 0. */
export function tree(spans: readonly Span[]): Step[] {
  const known = new Set(spans.map((span) => span.id));
  const below = new Map<string, Span[]>();
  for (const span of [...spans].sort((a, b) => a.start_ns - b.start_ns || b.end_ns - a.end_ns)) {
    const above = span.parent && known.has(span.parent) ? span.parent : "";
    below.set(above, [...(below.get(above) ?? []), span]);
  }
  const steps: Step[] = [], seen = new Set<Span>();
  const walk = (id: string, depth: number): void => {
    for (const span of below.get(id) ?? []) {
      if (seen.has(span)) continue;
      seen.add(span);
      steps.push({ span, depth });
      walk(span.id, Math.min(depth + 1, 8));
    }
  };
  walk("", 0);
  return steps;
}

/** What a step is, in words. */
export const WORDS: Record<string, string> = {
  reading: "all that this node did",
  alert: "all that this node did",
  device: "from the device's own time to its arrival here",
  receive: "waited to be decoded",
  decode: "bytes became readings",
  decide: "rules looked at it",
  commit: "made safe on disk",
  ack: "the device was told",
  uplink: "packed, sent, and taken by the parent",
  ingest: "a child's batch was opened and stored",
  apply: "made safe on disk",
};
