// A textarea over a coloured copy of its text: the browser's own editing, undo and speech, with problems at their lines.
import { useEffect, useRef } from "preact/hooks";
import { pieces } from "./Yaml";
import type { TextProblem } from "./types";

interface Props {
  value: string;
  onChange: (text: string) => void;
  problems: readonly TextProblem[];
  /** Put the cursor there: a new object each time. */
  goTo: { line: number; column: number } | null;
}

export function TextArea({ value, onChange, problems, goTo }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const behind = useRef<HTMLPreElement>(null);
  const follow = (): void => {
    if (area.current && behind.current) {
      behind.current.scrollTop = area.current.scrollTop;
      behind.current.scrollLeft = area.current.scrollLeft;
    }
  };
  useEffect(follow, [value]);
  useEffect(() => {
    const node = area.current;
    if (!goTo || !node) return;
    const lines = node.value.split("\n");
    const start = lines.slice(0, goTo.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const at = Math.min(node.value.length, start + Math.max(0, goTo.column - 1));
    node.focus();
    node.setSelectionRange(at, start + (lines[goTo.line - 1]?.length ?? 0));
  }, [goTo]);
  const bad = new Map(problems.filter((one) => one.line).map((one) => [one.line, one.message]));
  const lines = value.split("\n");
  return (
    <div class="rule-editor" style={{ height: `${(lines.length + 4) * 1.43}rem` }}>
      <pre ref={behind} aria-hidden="true" class="yaml">
        {lines.map((line, i) => (
          <div key={i} class={bad.has(i + 1) ? "yaml-line bad" : "yaml-line"}>
            <span class="yaml-number" title={bad.get(i + 1)}>
              {i + 1}
            </span>
            <code>{line ? pieces(line) : " "}</code>
          </div>
        ))}
      </pre>
      <textarea
        ref={area}
        aria-label="The rule's text (YAML)"
        aria-invalid={problems.length > 0}
        aria-describedby="rule-problems"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        wrap="off"
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
        onScroll={follow}
      />
    </div>
  );
}
