// Asking the API from a component: loading, failing, trying again, asking anew from time to time.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Param } from "~/lib/api";

export interface Loaded<T> {
  data: T | null;
  error: ApiError | null;
  isLoading: boolean;
  reload: () => void;
}

/** Read a path; anew every `everyMs` while the page is in sight. null = don't ask. Old data stays while new is asked for. */
export function useLoad<T>(path: string | null, params: Record<string, Param> = {}, everyMs = 0): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isLoading, setLoading] = useState(path !== null);
  const [round, setRound] = useState(0);
  const key = JSON.stringify([path, params]);
  const shown = useRef("");
  useEffect(() => {
    if (path === null) return;
    const giveUp = new AbortController();
    let timer = 0;
    if (shown.current !== key) setData(null);
    const ask = async (): Promise<void> => {
      setLoading(true);
      try {
        setData(await get<T>(path, params, giveUp.signal));
        shown.current = key;
        setError(null);
      } catch (failure) {
        if (giveUp.signal.aborted) return;
        setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      }
      setLoading(false);
      if (everyMs) timer = window.setTimeout(later, everyMs);
    };
    const later = (): void => {
      if (document.hidden) timer = window.setTimeout(later, 1000);
      else void ask();
    };
    void ask();
    return () => {
      giveUp.abort();
      clearTimeout(timer);
    };
  }, [key, round, everyMs]);
  return { data, error, isLoading, reload: useCallback(() => setRound((n) => n + 1), []) };
}
