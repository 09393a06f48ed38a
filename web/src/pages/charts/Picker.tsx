// Choosing series by search, up to as many as a chart can tell apart.
import { useState } from "preact/hooks";
import { valued, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import type { Series } from "~/lib/types";
import { Button, Empty, ErrorNote, Loading, Search } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";

const SHOWN = 200;

export function Picker({ chosen, most, onChange, onClose }: { chosen: string[]; most: number; onChange: (names: string[]) => void; onClose: () => void }) {
  const [text, setText] = useState("");
  const { data, error } = useLoad<{ total: number; series: Series[] }>("series", { match: pattern(text), limit: SHOWN });
  const found = data?.series ?? [];
  const toggle = (name: string): void => onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const isFull = chosen.length >= most;
  return (
    <Dialog title="Series" wide onClose={onClose} footer={<Button look="main-action" onClick={onClose}>Done</Button>}>
      <div class="row apart">
        <Search label="Search series" placeholder="Device or metric, as in press temp" value={text} onChange={setText} />
        <span class="soft small">{`${chosen.length} of ${most} chosen${data ? `, ${whole(data.total)} found` : ""}`}</span>
      </div>
      {error ? <ErrorNote error={error} /> : !data ? <Loading /> : !found.length ? (
        <Empty title="No series has such a name.">A series appears with its device's first reading.</Empty>
      ) : (
        <ul class="ch-pick">
          {found.map((one) => (
            <li key={one.name}>
              <label>
                <input type="checkbox" checked={chosen.includes(one.name)} disabled={isFull && !chosen.includes(one.name)} onChange={() => toggle(one.name)} />
                <span class="wrap">
                  {one.device}
                  <span class="soft">{` / ${one.metric}`}</span>
                </span>
                <span class="soft small nowrap">{valued(one.value, one.unit)}</span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

/** Two words may stand anywhere in the name, in this order; a pattern names a device's metric, so it has a slash. */
function pattern(text: string): string {
  const words = text.trim().split(/[\s*]+/).filter(Boolean).slice(0, 2);
  if (!words.length) return "*";
  const middle = `*${words.join("*")}*`;
  return middle.includes("/") ? middle : `*/${middle}`;
}
