// Who are you? The only page of a node with people that asks for nothing first.
import { useEffect, useRef, useState } from "preact/hooks";
import { useSearch } from "wouter-preact";
import { ApiError } from "~/lib/api";
import { login, me } from "~/lib/session";
import { Button, Field } from "~/parts/basic";
import "./login/login.css";

/** Where to go afterwards: a place of these pages, never another site. */
export function placeAfter(search: string): string {
  const to = new URLSearchParams(search).get("to") ?? "/";
  return /^\/(?![/\\])/.test(to) && !to.startsWith("/login") ? to : "/";
}

export default function Login() {
  const to = placeAfter(useSearch());
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");
  const [isBusy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), [me.value?.login]);
  useEffect(() => {
    document.title = "Log in · Holdfast";
    if (me.value?.role && !me.value.kiosk && !isBusy) location.replace(to);
  }, [me.value?.role]);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    try {
      await login(name, password);
      location.assign(to); // a fresh page: nothing of who was here before stays in memory
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error));
      setPassword("");
      setBusy(false);
    }
  };

  return (
    <main class="login" id="main">
      <form class="card" onSubmit={(event) => void submit(event)} aria-label="Log in">
        <img src="/static/icon.svg" alt="" width="44" height="44" />
        <h1>Holdfast</h1>
        {me.value?.empty ? (
          <p class="soft">
            Nobody can log in here yet. On the node's own machine, run <code>holdfast people add NODE.YAML NAME --role admin</code>, then
            load this page again.
          </p>
        ) : (
          <>
            <Field label="Name">
              <input ref={first} class="input" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required
                value={name} onInput={(event) => setName(event.currentTarget.value)} />
            </Field>
            <Field label="Password">
              <input class="input" type="password" name="password" autocomplete="current-password" required value={password}
                onInput={(event) => setPassword(event.currentTarget.value)} />
            </Field>
            <p class="wrong" role="alert">{wrong}</p>
            <Button type="submit" look="main-action" disabled={isBusy}>
              {isBusy ? "Checking…" : "Log in"}
            </Button>
          </>
        )}
      </form>
    </main>
  );
}
