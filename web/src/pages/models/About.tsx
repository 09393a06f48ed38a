// What the active version is: its card, what it's given, what it was trained on.
import { bytes, figure, whole } from "~/lib/format";
import { Card, Empty, Facts } from "~/parts/basic";
import { Table } from "~/parts/Table";
import type { Detail } from "./types";

export function About({ detail }: { detail: Detail }) {
  const { card, features } = detail;
  if (!card) {
    return (
      <Card title="Card">
        <Empty title="No version is active, or its card can’t be read.">{detail.row.words}</Empty>
      </Card>
    );
  }
  return (
    <div class="about-columns">
      <Card title={card.ref}>
        <div class="stack">
          {card.description && <p class="wrap">{card.description}</p>}
          <Facts
            rows={[
              ["Task", card.task.replaceAll("-", " ")],
              card.labels.length > 0 && ["Says", card.labels.join(", ")],
              card.threshold !== null && ["Threshold", figure(card.threshold)],
              ["Takes", card.inputs],
              ["Runs on", [card.runtime, card.provider.replace(/ExecutionProvider$/, "")].filter(Boolean).join(", ") || "—"],
              ["File", bytes(card.bytes)],
              ["In memory", card.memory_bytes ? `${bytes(card.memory_bytes)}, measured` : "not loaded"],
              ["Licence", card.licence || "—"],
              ["SHA-256", <code class="wrap">{card.digest}</code>],
            ]}
          />
        </div>
      </Card>
      <div class="stack">
        <Card title="Measured" note="by its author">
          <Free values={card.metrics} empty="Its card has no metrics." />
        </Card>
        <Card title="Trained on">
          <Free values={card.trained} empty="Its card doesn’t say." />
        </Card>
      </div>
      {features && (
        <Card title="Features" note={features.name} flush>
          <div class="feature-facts">
            <Facts
              rows={[
                ["From", <code class="wrap">{features.source || "readings"}</code>],
                ["Window", features.window],
                ["Missing values", features.missing],
                ["Quality", features.quality],
              ]}
            />
          </div>
          <Table
            label="Features"
            rows={features.features}
            id={(one) => one.name}
            maxHeight="26rem"
            columns={[
              { name: "Feature", cell: (one) => <strong class="wrap">{one.name}</strong>, sort: (one) => one.name },
              { name: "Computed as", cell: (one) => <code class="wrap">{one.text}</code> },
              { name: "Numbers", cell: (one) => whole(one.width), isNumber: true, sort: (one) => one.width },
            ]}
          />
        </Card>
      )}
    </div>
  );
}

const SHARES = /accuracy|precision|recall|rate|share/;

/** What a card says in its author's own keys. */
function Free({ values, empty }: { values: Record<string, unknown>; empty: string }) {
  const rows = Object.entries(values);
  if (!rows.length) return <p class="soft">{empty}</p>;
  return <Facts rows={rows.slice(0, 60).map(([key, value]) => [key.replaceAll("_", " "), spoken(key, value)])} />;
}

function spoken(key: string, value: unknown): string {
  if (typeof value === "number") return SHARES.test(key) && value >= 0 && value <= 1 ? `${figure(Math.round(value * 1000) / 10)} %` : figure(value);
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([name, one]) => `${name.replaceAll("_", " ")} ${spoken(name, one)}`).join(", ");
  }
  return JSON.stringify(value);
}
