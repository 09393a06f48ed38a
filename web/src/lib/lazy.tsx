// A component whose code is fetched when it's first shown.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Empty, Loading } from "~/parts/basic";

/** The component of a chunk; says so when the chunk can't be had. */
export function lazy(load: () => Promise<{ default: FunctionComponent }>): FunctionComponent {
  let known: FunctionComponent | null = null;
  return function Lazy() {
    const [Shown, setShown] = useState<FunctionComponent | null>(() => known);
    const [isLost, setLost] = useState(false);
    useEffect(() => {
      if (known) return;
      load().then(
        (found) => {
          known = found.default;
          setShown(() => found.default);
        },
        () => setLost(true),
      );
    }, []);
    if (Shown) return <Shown />;
    // After an upgrade the old page asks for files that are gone.
    return isLost ? <Empty title="This page can't be fetched.">The node isn't reached, or was upgraded: load the page again.</Empty> : <Loading />;
  };
}
