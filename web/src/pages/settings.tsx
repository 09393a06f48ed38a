// How this browser shows things, who may log in at this node, and what they did.
import { Link, useRoute } from "wouter-preact";
import { me, may } from "~/lib/session";
import { Page } from "~/parts/basic";
import { Audit } from "./settings/Audit";
import { Here } from "./settings/Here";
import { Mine } from "./settings/Mine";
import { People } from "./settings/People";
import "./settings/settings.css";

export default function Settings() {
  const [, found] = useRoute("/settings/*?");
  const at = found?.["*"] ?? "";
  const tabs: [string, string, boolean][] = [
    ["", "This browser", true],
    ["me", "Your password", me.value?.login === true && !me.value.kiosk],
    ["people", "People", may("admin")],
    ["audit", "Audit", may("admin")],
  ];
  return (
    <Page title="Settings">
      <nav class="tabs" aria-label="Settings">
        {tabs.map(([name, title, isShown]) => isShown && (
          <Link key={name} href={name ? `/settings/${name}` : "/settings"} aria-current={at === name ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      {at === "" && <Here />}
      {at === "me" && <Mine />}
      {at === "people" && <People />}
      {at === "audit" && <Audit />}
    </Page>
  );
}
