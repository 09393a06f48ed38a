// The cookbook's rules, as they lie in examples/rules: each compiles and has golden traces.
const files = import.meta.glob<string>("../../../../examples/rules/*.yaml", { query: "?raw", import: "default", eager: true });

/** Name and text; only those that stand alone and need no file beside them. */
export const recipes: [string, string][] = Object.values(files)
  .map((text): [string, string] => [/^ {2}([a-z0-9][\w-]*):/m.exec(text)?.[1] ?? "", text])
  .filter(([name, text]) => name && (text.match(/^ {2}[a-z0-9][\w-]*:\s*$/gm) ?? []).length === 1 && !/(lookup|inside)\(/.test(text))
  .sort(([a], [b]) => a.localeCompare(b));
