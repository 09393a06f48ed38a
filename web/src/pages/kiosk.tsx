// A wall screen: pages in turn, nothing to press. Opened by a link whose token stands behind `#`, where no server sees it.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Router, useSearch } from "wouter-preact";
import { memoryLocation } from "wouter-preact/memory-location";
import { status, useNode } from "~/app";
import { ApiError } from "~/lib/api";
import { connection } from "~/lib/live";
import { enterKiosk, me, unreached } from "~/lib/session";
import { clock, now } from "~/lib/time";
import { Button, Empty, Loading } from "~/parts/basic";
import { pages } from "~/routes";
import "./kiosk/kiosk.css";

const USUAL = ["overview", "alerts", "charts"];
const EVERY_S = 20;

/** What is shown in turn: `?show=overview,charts&every=30`. */
function plan(search: string): { names: string[]; everyMs: number } {
  const asked = new URLSearchParams(search);
  const known = (asked.get("show") ?? "").split(",").filter((name) => pages.some((page) => page.name === name));
  const every = Number(asked.get("every") ?? EVERY_S);
  return { names: known.length ? known : USUAL.filter((name) => pages.some((page) => page.name === name)), everyMs: Math.max(5, every || EVERY_S) * 1000 };
}

export default function Kiosk() {
  const [wrong, setWrong] = useState<ApiError | null>(null);
  const [isEntering, setEntering] = useState(location.hash.length > 1);
  useEffect(() => {
    const token = location.hash.slice(1);
    if (!token) return;
    history.replaceState(null, "", location.pathname + location.search); // it's a secret: not in the address any longer
    enterKiosk(token).then(
      () => setEntering(false),
      (error: unknown) => {
        setWrong(error instanceof ApiError ? error : new ApiError(0, String(error)));
        setEntering(false);
      },
    );
  }, []);
  if (wrong) {
    return (
      <Empty title={wrong.status === 404 ? "Nobody logs in at this node." : wrong.message}>
        {wrong.status === 404 ? <a href="/">To the overview</a> : "Ask an admin of this node for a new link."}
      </Empty>
    );
  }
  if (isEntering || !me.value) return unreached.value ? <Empty title="The node isn't reached.">This screen goes on trying.</Empty> : <Loading />;
  if (!me.value.role) return <Empty title="This screen's link is over or was revoked.">Ask an admin of this node for a new one.</Empty>;
  return <Screen />;
}

function Screen() {
  const { names, everyMs } = plan(useSearch());
  const [turn, setTurn] = useState(0);
  const [isPaused, setPaused] = useState(false);
  useNode();
  useAwake();
  useEffect(() => {
    document.title = ["Wall screen", status.value?.node, "Holdfast"].filter(Boolean).join(" · ");
  }, [status.value?.node]);
  useEffect(() => {
    if (isPaused || names.length < 2) return;
    const timer = setTimeout(() => setTurn((n) => n + 1), everyMs);
    return () => clearTimeout(timer);
  }, [turn, isPaused, names.length, everyMs]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === "ArrowRight") setTurn((n) => n + 1);
      if (event.key === "ArrowLeft") setTurn((n) => n + names.length - 1);
      if (event.key === " " && !(event.target instanceof HTMLElement && event.target.closest("button"))) setPaused((was) => !was);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [names.length]);
  const page = pages.find((one) => one.name === names[turn % names.length]);
  const path = page?.path.replace(/\/[:*].*$/, "") || "/";
  // A place of its own: what a page writes into the address must not lead the screen away.
  const place = useMemo(() => memoryLocation({ path }), [path]);
  if (!page) return <Empty title="There is nothing to show." />;
  const Shown = page.show;
  return (
    <div class="kiosk">
      <header>
        <img src="/static/icon.svg" alt="" />
        <strong>{status.value?.node ?? "…"}</strong>
        <span class="soft">{page.title}</span>
        <span class="dots" aria-hidden="true">
          {names.map((name, i) => (
            <i key={name} class={i === turn % names.length ? "on" : ""} />
          ))}
        </span>
        <span class="controls">
          <Button look="quiet" icon={isPaused ? "play" : "pause"} aria-label={isPaused ? "Go on" : "Stay on this page"} onClick={() => setPaused(!isPaused)} />
          <Button look="quiet" icon="next" aria-label="Next page" onClick={() => setTurn(turn + 1)} />
          <Button look="quiet" aria-label="Full screen" onClick={() => void document.documentElement.requestFullscreen()}>
            Full screen
          </Button>
        </span>
        {connection.value === "offline" && <span class="badge bad">the node isn't reached</span>}
        <time>{clock(now.value)}</time>
      </header>
      <main class="main" id="main">
        <Router hook={place.hook} searchHook={noSearch}>
          <Shown key={page.name} />
        </Router>
      </main>
    </div>
  );
}

/** Keep the screen from sleeping, where the browser lets a page ask for it (over TLS or on this machine). */
function useAwake(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    const hold = (): void => {
      if (!document.hidden) navigator.wakeLock?.request("screen").then((got) => (lock = got), () => undefined);
    };
    hold();
    document.addEventListener("visibilitychange", hold);
    return () => {
      document.removeEventListener("visibilitychange", hold);
      void lock?.release();
    };
  }, []);
}

const noSearch = (): string => "";
