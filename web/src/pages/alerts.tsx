// Alerts: what is open and what was, one of them with its why, what is quiet, and the ways to people.
import { Link, useLocation } from "wouter-preact";
import { Channels } from "~/pages/alerts/Channels";
import { Detail } from "~/pages/alerts/Detail";
import { List } from "~/pages/alerts/List";
import { Quiet } from "~/pages/alerts/Quiet";
import "~/pages/alerts/alerts.css";

const TABS = [
  ["", "Alerts"],
  ["quiet", "Silences & maintenance"],
  ["channels", "Channels"],
] as const;

export default function Alerts() {
  const [path] = useLocation();
  const part = path.split("/")[2] ?? "";
  if (/^\d+$/.test(part)) return <Detail key={part} id={Number(part)} />;
  return (
    <div class="stack">
      <nav class="tabs" aria-label="Parts of this page">
        {TABS.map(([name, title]) => (
          <Link key={name} href={name ? `/alerts/${name}` : "/alerts"} aria-current={part === name ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      {part === "quiet" ? <Quiet /> : part === "channels" ? <Channels /> : <List />}
    </div>
  );
}
