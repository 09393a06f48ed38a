// The frame around the pages: navigation, the node's name, how the way to it is, keys.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Link, Route, Switch, useLocation, useRoute } from "wouter-preact";
import { connection, useWatch, watch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { prefer, dark } from "~/lib/prefs";
import { logout, me, unreached, whoAmI } from "~/lib/session";
import type { Alert, Status } from "~/lib/types";
import { Button, Empty, Loading } from "~/parts/basic";
import { Icon } from "~/parts/Icon";
import { KeysDialog } from "~/parts/Keys";
import { attempt, Toasts } from "~/parts/Toasts";
import { AsLastTold, Through } from "~/pages/sites/away";
import { away } from "~/lib/api";
import { doors, pages } from "~/routes";

/** What the frame knows of the node; pages may use it, too. */
export const status = signal<Status | null>(null);
const openAlerts = signal(0);

export function App() {
  const [path, go] = useLocation();
  const isDoor = doors.some((door) => door.path === path);
  useWho();
  useEffect(() => {
    if (me.value?.role === "" && !isDoor) {
      go(`/login?to=${encodeURIComponent(path + location.search)}`, { replace: true });
    }
  }, [me.value, isDoor]);
  return (
    <>
      <Switch>
        {doors.map(({ path: at, show: Shown }) => (
          <Route key={at} path={at}>
            <Shown />
          </Route>
        ))}
        <Route path="/sites/:name" nest>
          {({ name }: { name: string }) => (me.value?.role ? <Frame key={name} site={name} /> : <Asking />)}
        </Route>
        <Route>
          {me.value?.role ? <Frame key="" /> : <Asking />}
        </Route>
      </Switch>
      <Toasts />
    </>
  );
}

const RETRY_MS = 3000;

/** Ask who this is until the node says so. */
function useWho(): void {
  useEffect(() => {
    let timer = 0;
    const ask = async (): Promise<void> => {
      if (!(await whoAmI())) timer = window.setTimeout(ask, RETRY_MS);
    };
    void ask();
    return () => clearTimeout(timer);
  }, []);
}

/** Nothing is asked of the node before it's known who asks. */
function Asking() {
  return unreached.value ? (
    <Empty title="The node isn't reached.">This page goes on trying.</Empty>
  ) : (
    <Loading label="Asking the node who you are" />
  );
}

/** Keep what the frame knows of the node up to date. */
export function useNode(): void {
  const asked = useLoad<Status>("status", {}, 5000);
  useEffect(() => {
    if (asked.data) status.value = asked.data;
  }, [asked.data]);
  useWatch<Status>("status", {}, (told) => {
    status.value = told;
  });
  useEffect(() => {
    const open = new Map<number, boolean>();
    return watch<{ changed: Alert[] }>("alerts", {}, ({ changed }) => {
      for (const one of changed) {
        if (one.state === "open") open.set(one.id, true);
        else open.delete(one.id);
      }
      openAlerts.value = open.size;
    });
  }, []);
}

/** `g` and a letter go to a page, as in mail and issue trackers. */
function useKeys(go: (path: string) => void, help: () => void): void {
  useEffect(() => {
    let isAfterG = false;
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target;
      if (at instanceof HTMLElement && at.closest("input, textarea, select, dialog, [contenteditable]")) return;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (isAfterG) {
        const found = pages.find((page) => page.key === event.key);
        if (found) go(found.path.replace(/\/[:*].*$/, "") || "/");
      } else if (event.key === "?" && !document.querySelector("dialog[open]")) {
        // a page with keys of its own shows them itself, and may hear of this later
        setTimeout(() => !event.defaultPrevented && help());
      } else if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("main input[type=search]");
        if (search) {
          search.focus();
          event.preventDefault();
        }
      }
      isAfterG = event.key === "g";
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [go]);
}

/** site: whose pages are shown, through this node; absent = its own. */
function Frame({ site }: { site?: string }) {
  const [path, go] = useLocation();
  const [isOpen, setOpen] = useState(false), [isHelp, setHelp] = useState(false);
  useNode();
  useKeys(go, () => setHelp(true));
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setOpen(false);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    status.value = null;
    away.value = null;
    openAlerts.value = 0;
  }, [site]);
  const node = status.value?.node;
  useEffect(() => {
    const title = pages.find((page) => page.path !== "/" && path.startsWith(page.path.replace(/\/[:*].*$/, "")))?.title;
    document.title = [openAlerts.value ? `(${openAlerts.value})` : "", [title, node, "Holdfast"].filter(Boolean).join(" · ")].join(" ").trim();
  }, [path, node, openAlerts.value]);
  return (
    <div class="frame">
      <a class="skip" href="#main">
        To the content
      </a>
      <Rail isOpen={isOpen} site={site} />
      {isHelp && <KeysDialog onClose={() => setHelp(false)} />}
      <main class="main" id="main" tabIndex={-1}>
        {connection.value === "offline" && site === undefined && (
          <div class="banner apart" role="status">
            The node isn't reached. What you see is as it was; this page goes on trying.
          </div>
        )}
        {site !== undefined && <Through site={site} />}
        <Switch>
          {site !== undefined && away.value && (
            <Route path="/">
              <AsLastTold away={away.value} />
            </Route>
          )}
          {inFrame(site).map(({ path: at, show: Shown }) => (
            <Route key={at} path={at}>
              <Shown />
            </Route>
          ))}
          <Route>
            <Empty title="There is no such page.">
              <Link href="/">To the overview</Link>
            </Empty>
          </Route>
        </Switch>
      </main>
      <nav class="tabbar" aria-label="Pages">
        {shown(site).filter((page) => page.isFirst).map((page) => (
          <Entry key={page.name} page={page} />
        ))}
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name="more" />
          More
        </button>
      </nav>
    </div>
  );
}

const NOT_THROUGH = new Set(["settings"]);
const inFrame = (site?: string) => pages.filter((page) => site === undefined || (page.group !== "Fleet" && !NOT_THROUGH.has(page.name)));
const shown = (site?: string) => inFrame(site).filter((page) => !page.shown || (status.value && page.shown(status.value)));

function Rail({ isOpen, site }: { isOpen: boolean; site?: string | undefined }) {
  const groups = ["", "Fleet", "Site", "Node"] as const;
  return (
    <nav class={isOpen ? "rail open" : "rail"} aria-label="All pages">
      <Link class="brand" href="/">
        <img src="/static/icon.svg" alt="" />
        <span>
          <strong>{status.value?.node ?? site ?? "Holdfast"}</strong>
          <span>{status.value ? `Holdfast ${status.value.version}` : "…"}</span>
        </span>
      </Link>
      {site !== undefined && (
        <Link class="all-sites" href="~/sites">
          <Icon name="back" />
          All sites
        </Link>
      )}
      {groups.map((group) => {
        const mine = shown(site).filter((page) => page.group === group);
        return mine.length > 0 && (
          <section key={group}>
            {group && <h3>{group}</h3>}
            <ul>
              {mine.map((page) => (
                <li key={page.name}>
                  <Entry page={page} />
                </li>
              ))}
            </ul>
          </section>
        );
      })}
      <div class="foot">
        <div class="row apart">
          <span class="link-state">
            <i class={`dot ${{ live: "good", stale: "warn", offline: "bad", connecting: "warn" }[connection.value]}`} />
            {connection.value}
          </span>
          <Button look="quiet" icon={dark.value ? "sun" : "moon"} aria-label={dark.value ? "Light theme" : "Dark theme"}
            onClick={() => prefer({ theme: dark.value ? "light" : "dark" })} />
        </div>
        {me.value?.login && <User name={me.value.name} role={me.value.role} isKiosk={me.value.kiosk} />}
      </div>
    </nav>
  );
}

/** Who is logged in, and how to leave. */
function User({ name, role, isKiosk }: { name: string; role: string; isKiosk: boolean }) {
  return (
    <details class="user">
      <summary>
        <Icon name="person" />
        <span>
          <strong>{name}</strong>
          <span>{isKiosk ? "wall screen" : role}</span>
        </span>
        <Icon name="down" />
      </summary>
      <div>
        {!isKiosk && <Link href="/settings/me">Your password</Link>}
        <button type="button" onClick={() => void attempt(logout, "")}>
          Log out
        </button>
      </div>
    </details>
  );
}

function Entry({ page }: { page: (typeof pages)[number] }) {
  const [isHere] = useRoute(page.path);
  const count = page.name === "alerts" ? openAlerts.value : 0;
  return (
    <Link href={page.path.replace(/\/[:*].*$/, "") || "/"} aria-current={isHere ? "page" : undefined} title={`g ${page.key}`}>
      <Icon name={page.icon} />
      {page.title}
      {count > 0 && <span class="count" aria-label={`${count} open`}>{count}</span>}
    </Link>
  );
}
