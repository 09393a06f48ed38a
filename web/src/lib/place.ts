// Where we are: page state that belongs into the address, so that a link shows the same.
import { useCallback } from "preact/hooks";
import { useLocation } from "wouter-preact";
// As the browser has it: the router's own would decode it once too often, and a name may hold a `%`.
import { useSearch } from "wouter-preact/use-browser-location";

/** The query of the address as strings, and how to change some of it; empty takes a key out. */
export function usePlace(): [URLSearchParams, (changes: Record<string, string>) => void] {
  const search = useSearch();
  const [path, go] = useLocation();
  const change = useCallback(
    (changes: Record<string, string>) => {
      const next = new URLSearchParams(search);
      for (const [key, value] of Object.entries(changes)) {
        if (value) next.set(key, value);
        else next.delete(key);
      }
      const text = next.toString();
      go(text ? `${path}?${text}` : path, { replace: true });
    },
    [search, path, go],
  );
  return [new URLSearchParams(search), change];
}
