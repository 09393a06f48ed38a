// A rule in plain words, as the node says them.
import type { RuleWords } from "./types";

export function Words({ words }: { words: readonly RuleWords[] }) {
  return (
    <>
      {words.map((one) => (
        <dl key={`${one.rule}/${one.part}`} class="facts">
          {one.part && <dt>window</dt>}
          {one.part && <dd>{one.part}</dd>}
          {one.words
            .filter(([name]) => name !== "stage")
            .map(([name, text], i) => [<dt key={`${i}:`}>{name}</dt>, <dd key={i}>{text}</dd>])}
        </dl>
      ))}
    </>
  );
}
