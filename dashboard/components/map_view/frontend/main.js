/** The map view: a live scatter of representations. Streamlit calls this at each scene, rerun and theme change. */
import { unpack } from "../laf-lab.feed/decode.js";
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { MapView } from "./map_view.js";

export default function mapView({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new MapView(parentElement));
  instance.onPick = (value) => setTriggerValue("pick", value);
  instance.onMode = (mode) => setTriggerValue("mode", mode); // a trigger, so that choosing the same mode again is sent again
  if (data?.byteLength) {
    const { header, arrays } = unpack(data);
    const store = storeOf(header.run);
    if (header.n && store.setScene(header, arrays) && header.stage === "pick") store.view.colour = "class"; // that page shows no forgotten images
    instance.show(store);
  }
  instance.retheme();
  return cleanUp;
}
