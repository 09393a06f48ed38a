import { fileURLToPath } from "node:url";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";
import { landModule } from "./land.mjs";

// The node sends these as they are: compressed once here, not at each gateway.
const compressed = {
  name: "compressed",
  writeBundle: ({ dir }) => {
    for (const one of readdirSync(dir, { recursive: true })) {
      if (/\.(js|css|html|svg)$/.test(one)) writeFileSync(join(dir, `${one}.gz`), gzipSync(readFileSync(join(dir, one)), { level: 9 }));
    }
  },
};

// Served under /static/ by the node itself; names carry a hash, so that browsers keep them for good.
export default defineConfig({
  base: "/static/",
  plugins: [landModule, compressed],
  resolve: { alias: { "~": fileURLToPath(new URL("./src", import.meta.url)) } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/holdfast/web/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // nothing inline: the content security policy allows none
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  // `npm run dev` beside a node: its API on the port given here.
  server: { proxy: { "/api": { target: process.env.HOLDFAST_API ?? "http://127.0.0.1:8080", ws: true } } },
});
