// Who sends, and how they are: all of them, or one.
import { usePlace } from "~/lib/place";
import { DeviceList } from "~/pages/devices/List";
import { DevicePage } from "~/pages/devices/One";
import "~/pages/devices/devices.css";

export default function Devices() {
  const [place] = usePlace();
  const name = place.get("device"), node = place.get("node") ?? "";
  return name ? <DevicePage key={`${node}\n${name}`} name={name} node={node} /> : <DeviceList />;
}
