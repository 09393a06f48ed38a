// Charts as files.
import { css } from "~/parts/Chart";
import { exact } from "~/lib/time";
import { unit } from "~/lib/units";
import type { Group } from "./board";
import { coloursNow } from "./drawing";
import type { Panel } from "./panel";

/** Have the browser keep it. */
export function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** All charts in one picture, each with its unit and names. */
export async function picture(groups: readonly Group[], panels: ReadonlyMap<string, Panel>, from: number, to: number): Promise<Blob | null> {
  const ratio = devicePixelRatio, line = 20 * ratio, colours = coloursNow();
  const parts = groups.flatMap((group) => {
    const panel = panels.get(group.unit);
    return panel ? [{ group, canvas: panel.canvas, drawn: group.drawn.filter((one) => !one.isHidden) }] : [];
  });
  const width = Math.max(...parts.map((part) => part.canvas.width)), canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = 2 * line + parts.reduce((sum, part) => sum + part.canvas.height + (part.drawn.length + 2) * line, 0);
  const ctx = canvas.getContext("2d");
  if (!ctx) return null;
  ctx.fillStyle = colours.panel;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.font = `${13 * ratio}px ${css("--font")}`;
  const write = (text: string, x: number, y: number, colour: string): void => {
    ctx.fillStyle = colour;
    ctx.fillText(text, x, y);
  };
  let y = 1.3 * line;
  write(`${exact(from * 1e6)} to ${exact(to * 1e6)}`, line, y, colours.soft);
  for (const { group, canvas: chart, drawn } of parts) {
    y += line;
    write(unit(group.unit), line, y, css("--ink"));
    y += line / 2;
    ctx.drawImage(chart, 0, y);
    y += chart.height;
    for (const one of drawn) {
      y += line;
      ctx.fillStyle = colours.series[one.colour - 1] ?? colours.soft;
      ctx.fillRect(line, y - 5 * ratio, 14 * ratio, 3 * ratio);
      write(one.name, line + 22 * ratio, y, css("--ink"));
    }
    y += line / 2;
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
