// What to do on a node to which nothing was sent yet: the command that sends it something.
import { Link } from "wouter-preact";
import { useLoad } from "~/lib/load";
import { Empty } from "~/parts/basic";

interface Adapter {
  name: string;
  kind: string;
  where: string;
}

/** Where a device would connect, as this browser would reach it; null = the node listens to none. */
function door(adapters: readonly Adapter[]): { host: string; port: string; tls: boolean } | null {
  for (const { kind, where } of adapters) {
    const found = /^(mqtts?):\/\/(.+):(\d+)$/.exec(where);
    if (kind !== "mqtt" || !found) continue;
    const host = found[2] ?? "", isAny = host === "0.0.0.0" || host === "[::]";
    return { host: isAny ? location.hostname : host, port: found[3] ?? "", tls: found[1] === "mqtts" };
  }
  return null;
}

export function FirstDevice() {
  const { data } = useLoad<Adapter[]>("adapters", {});
  const at = data && door(data);
  return (
    <Empty title="No device has sent anything yet.">
      {at ? (
        <>
          Point one at this node's MQTT address, {at.host} port {at.port}{at.tls ? " with TLS" : ""}; it appears here by itself. To try it:
          <code class="command">{`mosquitto_pub -h ${at.host} -p ${at.port} ${at.tls ? "--cafile ca.pem " : ""}-t plant/press-1 -m '{"temp": 21.5}'`}</code>
          What no profile can read is kept in <Link href="/quarantine">Quarantine</Link>, with the reason.
        </>
      ) : data ? (
        <>This node listens to no devices: add <code>mqtt</code> or <code>brokers</code> to its node.yaml, and restart it.</>
      ) : null}
    </Empty>
  );
}
