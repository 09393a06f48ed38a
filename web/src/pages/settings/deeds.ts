// What somebody did, in words: the audit has methods and paths.
const DEEDS: readonly (readonly [RegExp, string])[] = [
  [/^POST alerts\/(\d+)\/acknowledge$/, "acknowledge alert $1"],
  [/^POST alerts\/(\d+)\/label$/, "label alert $1"],
  [/^POST alerts\/(\d+)\/comments$/, "comment on alert $1"],
  [/^POST silences$/, "silence alerts"],
  [/^DELETE silences\/(\d+)$/, "take back silence $1"],
  [/^POST maintenance$/, "plan works"],
  [/^DELETE maintenance\/(\d+)$/, "end works $1"],
  [/^POST channels\/(.+)\/test$/, "try channel $1"],
  [/^POST rules\/reload$/, "read the rules' files again"],
  [/^POST rules\/backtest$/, "backtest rules"],
  [/^DELETE rules\/backtest\/(.+)$/, "stop backtest $1"],
  [/^PUT rules\/(.+)$/, "change rule $1"],
  [/^DELETE rules\/(.+)$/, "remove rule $1"],
  [/^POST rules\/(.+)\/(enable|disable|undo)$/, "$2 rule $1"],
  [/^POST models\/(.+)\/labels$/, "say what a device of model $1 was"],
  [/^POST models\/(.+)\/rollback$/, "roll model $1 back"],
  [/^POST models\/(.+)\/(load|retire|promote)$/, "$2 a version of model $1"],
  [/^POST models\/(.+)\/(shadow|canary)$/, "try a version of model $1 as $2"],
  [/^POST devices$/, "change devices"],
  [/^POST devices\/(.+)\/commands$/, "send a command to $1"],
  [/^POST quarantine\/replay$/, "replay quarantine"],
  [/^POST queues\/(.+)\/dead$/, "deal with dead letters of $1"],
];

/** In words; as it's written where there are none for it. */
export function deed(what: string): string {
  const [method = "", path = ""] = what.split(" /api/v1/", 2);
  if (!path) return what;
  const plain = `${method} ${path}`;
  for (const [form, words] of DEEDS) if (form.test(plain)) return plain.replace(form, words);
  return plain;
}
