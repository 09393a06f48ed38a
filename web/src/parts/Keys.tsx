// Which keys there are, on `?`.
import { Fragment } from "preact";
import { Dialog } from "~/parts/Dialog";
import { pages } from "~/routes";

const EVERYWHERE = [["/", "Search on this page"], ["?", "These keys"], ["Esc", "Close what is open"], ["Tab, Enter", "To what can be pressed, and press it"]] as const;
const CHART = [["← →", "Pan a focused chart"], ["+ −", "Zoom it"], ["0", "Back to live"]] as const;

/** here: the keys of the page that asks. */
export function KeysDialog({ here = [], onClose }: { here?: readonly (readonly [string, string])[]; onClose: () => void }) {
  const sections = [["On this page", here], ["Everywhere", EVERYWHERE], ["On charts", CHART], ["Go to", pages.map(({ key, title }) => [`g ${key}`, title] as const)]] as const;
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div class="keys-of">
        {sections.map(([title, keys]) => keys.length > 0 && (
          <section key={title}>
            <h3>{title}</h3>
            <dl class="facts">
              {keys.map(([key, words]) => (
                <Fragment key={key}>
                  <dt>{key.split(" ").map((one) => (one.endsWith(",") && one.length > 1 ? one : <kbd key={one}>{one}</kbd>))}</dt>
                  <dd>{words}</dd>
                </Fragment>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
