// What became of what somebody just did.
import { signal } from "@preact/signals";
import { ApiError } from "~/lib/api";

interface Toast {
  id: number;
  text: string;
  isBad: boolean;
}

const toasts = signal<Toast[]>([]);
const MOST = 4;
let number = 0;

/** Say it for a few seconds. */
export function say(text: string, isBad = false): void {
  const id = ++number;
  toasts.value = [...toasts.value.slice(1 - MOST), { id, text, isBad }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((one) => one.id !== id);
  }, isBad ? 9000 : 4500);
}

/** Do it; say `done`, or what the node had against it. True when it's done. */
export async function attempt(work: () => Promise<unknown>, done: string | ((answer: unknown) => string)): Promise<boolean> {
  try {
    const answer = await work(), words = typeof done === "string" ? done : done(answer);
    if (words) say(words);
    return true;
  } catch (error) {
    say(error instanceof ApiError ? [error.message, error.hint].filter(Boolean).join(" — ") : String(error), true);
    return false;
  }
}

export function Toasts() {
  return (
    <div class="toasts" aria-live="polite">
      {toasts.value.map(({ id, text, isBad }) => (
        <div key={id} class={isBad ? "toast bad" : "toast"}>
          {text}
        </div>
      ))}
    </div>
  );
}
