// Whose log or traces are shown: this node's, or what came up from one below it.
import { siteOf } from "~/lib/api";
import { useLoad } from "~/lib/load";
import type { SiteList } from "~/lib/sites";
import { status } from "~/app";
import "./node-choice.css";

/** value: a node below; empty = this one. Nothing is shown where there are none, and where a site is in view. */
export function NodeChoice({ value, onChange }: { value: string; onChange: (node: string) => void }) {
  const hasSites = siteOf() === null && (status.value?.children.length ?? 0) > 0;
  const { data } = useLoad<SiteList>(hasSites ? "sites" : null);
  if (!hasSites || !data) return null;
  const sites = [...data.sites].sort((a, b) => a.site.localeCompare(b.site));
  return (
    <select class="select node-choice" aria-label="Of which node" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">This node</option>
      {value && !sites.some((one) => one.node === value) && <option value={value}>{value}</option>}
      {sites.map((one) => (
        <option key={one.node} value={one.node}>
          {one.site === one.node ? one.node : `${one.site} (${one.node})`}
        </option>
      ))}
    </select>
  );
}
