// InfluxData's own client: node write.mjs URL TOKEN COUNT. Writes so many points, gzipped, in batches of 200.
import { createRequire } from "node:module";
const { InfluxDB, Point } = createRequire(import.meta.url)("@influxdata/influxdb-client");
const [url, token, count] = process.argv.slice(2);
const api = new InfluxDB({ url, token }).getWriteApi("acme", "plant", "ms", { batchSize: 200, gzipThreshold: 100, maxRetries: 2 });
api.useDefaultTags({ host: "press-1" });
const now = Date.now();
for (let i = 0; i < Number(count); i++) {
  const point = new Point("motor").tag("side", "left two").floatField("current", i / 10).intField("starts", i);
  api.writePoint(point.stringField("state", i % 2 ? 'says "run",\nso' : "off").booleanField("on", i % 2 === 1).timestamp(now - i));
}
api.close().then(() => console.log("written"), (error) => { console.error(String(error)); process.exit(1); });
