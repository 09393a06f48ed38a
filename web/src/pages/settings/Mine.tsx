// One's own password.
import { useState } from "preact/hooks";
import { ApiError, send } from "~/lib/api";
import { logout, me } from "~/lib/session";
import { Button, Card, Field } from "~/parts/basic";

export const LEAST = 8;

export function Mine() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [wrong, setWrong] = useState("");
  const differs = again !== "" && again !== fresh ? "It isn't the same." : "";
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await send("POST", "me/password", { old, new: fresh }, true);
      await logout();
    } catch (error) {
      setWrong(error instanceof ApiError ? [error.message, error.hint].filter(Boolean).join(": ") : String(error));
    }
  };
  return (
    <Card title="Your password" note={me.value?.name}>
      <form class="form" onSubmit={(event) => void submit(event)}>
        <input type="text" name="username" autocomplete="username" value={me.value?.name} hidden readOnly />
        <Field label="Password now" wrong={wrong}>
          <input class="input" type="password" autocomplete="current-password" required value={old} onInput={(event) => setOld(event.currentTarget.value)} />
        </Field>
        <Field label="New password" hint={`${LEAST} characters or more`}>
          <input class="input" type="password" autocomplete="new-password" required minLength={LEAST} value={fresh}
            onInput={(event) => setFresh(event.currentTarget.value)} />
        </Field>
        <Field label="New password again" wrong={differs}>
          <input class="input" type="password" autocomplete="new-password" required value={again} onInput={(event) => setAgain(event.currentTarget.value)} />
        </Field>
        <Button type="submit" look="main-action" disabled={!old || fresh.length < LEAST || again !== fresh}>
          Change it
        </Button>
        <p class="small soft">You're logged out everywhere then, here too.</p>
      </form>
    </Card>
  );
}
