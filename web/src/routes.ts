// Every page: a file in pages/ is one chunk, fetched when it's first opened. What a node doesn't have isn't shown.
import { lazy } from "~/lib/lazy";
import type { IconName } from "~/parts/Icon";
import type { Status } from "~/lib/types";

/** path: a wouter pattern; group: its heading in the rail; shown: false hides it where it has no sense. */
export interface PageEntry {
  name: string;
  title: string;
  path: string;
  icon: IconName;
  group: "" | "Site" | "Node" | "Fleet";
  /** The key after `g`. */
  key: string;
  /** In the bar of a phone. */
  isFirst?: boolean;
  shown?: (status: Status) => boolean;
}

const hasChildren = (status: Status): boolean => status.children.length > 0;

const ENTRIES: PageEntry[] = [
  { name: "overview", title: "Overview", path: "/", icon: "overview", group: "", key: "o", isFirst: true },
  { name: "charts", title: "Charts", path: "/charts/*?", icon: "charts", group: "", key: "c", isFirst: true },
  { name: "sites", title: "Sites", path: "/sites", icon: "sites", group: "Fleet", key: "f", shown: hasChildren },
  { name: "analytics", title: "Analytics", path: "/analytics", icon: "analytics", group: "Fleet", key: "y", shown: hasChildren },
  { name: "alerts", title: "Alerts", path: "/alerts/*?", icon: "alerts", group: "Site", key: "a", isFirst: true },
  { name: "devices", title: "Devices", path: "/devices/*?", icon: "devices", group: "Site", key: "d", isFirst: true },
  { name: "rules", title: "Rules", path: "/rules/*?", icon: "rules", group: "Site", key: "r" },
  { name: "models", title: "Models", path: "/models/*?", icon: "models", group: "Site", key: "m" },
  { name: "quarantine", title: "Quarantine", path: "/quarantine/*?", icon: "quarantine", group: "Site", key: "q" },
  { name: "adapters", title: "Adapters", path: "/adapters/*?", icon: "adapters", group: "Node", key: "p" },
  { name: "sync", title: "Sync", path: "/sync", icon: "sync", group: "Node", key: "s" },
  { name: "storage", title: "Storage", path: "/storage", icon: "storage", group: "Node", key: "t" },
  { name: "logs", title: "Logs", path: "/logs", icon: "logs", group: "Node", key: "l" },
  { name: "traces", title: "Traces", path: "/traces/*?", icon: "traces", group: "Node", key: "z" },
  { name: "settings", title: "Settings", path: "/settings/*?", icon: "settings", group: "Node", key: "," },
];

const modules = import.meta.glob<{ default: () => preact.JSX.Element }>("./pages/*.tsx");

/** The pages there are. */
export const pages = ENTRIES.flatMap((entry) => {
  const load = modules[`./pages/${entry.name}.tsx`];
  return load ? [{ ...entry, show: lazy(load) }] : [];
});

/** Pages outside of the frame. */
export const doors = [
  { path: "/login", load: modules["./pages/login.tsx"] },
  { path: "/kiosk", load: modules["./pages/kiosk.tsx"] },
].flatMap(({ path, load }) => (load ? [{ path, show: lazy(load) }] : []));
