// A question that must be answered first. The browser's own <dialog> keeps focus inside and closes on Escape.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "~/parts/basic";

export function Dialog(props: { title: string; onClose: () => void; footer?: ComponentChildren; wide?: boolean; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => {
      // the browser gives focus back when a dialog closes, but not when it is taken out of the page
      if (before instanceof HTMLElement && before.isConnected && before !== document.body) before.focus();
      else document.getElementById("main")?.focus();
    };
  }, []);
  return (
    <dialog ref={box} class={props.wide ? "dialog wide" : "dialog"} aria-label={props.title} onClose={props.onClose}>
      <header>
        <h2>{props.title}</h2>
        <Button look="quiet" icon="close" aria-label="Close" onClick={() => box.current?.close()} />
      </header>
      <div class="body">{props.children}</div>
      {props.footer && <footer>{props.footer}</footer>}
    </dialog>
  );
}
