// A rule's text with its parts told apart. Every piece is a text node: nothing in it is ever taken for markup.
import type { ComponentChildren } from "preact";

const PIECES = /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(^\s*(?:- )?[\w-]+(?=:(?:\s|$)))|\b(\d+(?:\.\d+)?)\b|\b(and|or|not|as|where|from|between|like|in|is|null|case|when|then|else|end|select|tumbling|hopping|sliding|session|samples?)\b/gi;
const KINDS = ["note", "text", "key", "figure", "word"];

/** One line in pieces. */
export function pieces(line: string): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  let at = 0;
  for (const match of line.matchAll(PIECES)) {
    // A # inside of a word begins no note.
    if (match[1] !== undefined && match.index > 0 && !/\s/.test(line[match.index - 1] ?? "")) continue;
    if (match.index > at) found.push(line.slice(at, match.index));
    const kind = KINDS[match.slice(1).findIndex((one) => one !== undefined)];
    found.push(<span class={`yaml-${kind}`}>{match[0]}</span>);
    at = match.index + match[0].length;
  }
  if (at < line.length) found.push(line.slice(at));
  return found;
}

/** first: number of the first line; bad: lines with problems. */
export function Yaml({ text, first = 1, label }: { text: string; first?: number; label: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <pre class="yaml" tabIndex={0} role="region" aria-label={label}>
      {lines.map((line, i) => (
        <div key={i} class="yaml-line">
          <span class="yaml-number" aria-hidden="true">
            {first + i}
          </span>
          <code>{line ? pieces(line) : " "}</code>
        </div>
      ))}
    </pre>
  );
}
