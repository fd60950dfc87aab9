/** The invisible component that fills the store, over a WebSocket or inside a polled fragment, and requests missing frames. */
import { unpack } from "./decode.js";
import { Line } from "./line.js";
import { storeOf } from "./store.js";

const PATIENCE = 2; // packets to wait before a gap is requested
const WAIT = 700; // ms after which a gap is requested even without another packet

function ask(mount, store) {
  const lack = store.lack();
  if (!lack) return;
  mount.nonce = (mount.nonce ?? 0) + 1;
  mount.asked = performance.now();
  mount.packets = 0;
  mount.setTriggerValue("lack", { ...lack, nonce: mount.nonce });
}

/** Open a WebSocket to the page's run; it reruns the page when something that the page shows has changed. */
function keepLine(mount, { push, pulse, hold }) {
  Object.assign(mount, { pulse, hold });
  const told = (now) => {
    if (now !== mount.pulse && !mount.hold) mount.setTriggerValue("pulse", now);
  };
  if (mount.line?.token !== push) {
    mount.line?.close();
    mount.line = new Line(push, told);
  } else if (mount.line.pulse !== null) told(mount.line.pulse);
  return () => {
    mount.line?.close();
    mount.line = null;
  };
}

/** Streamlit calls this with each packet, or with the name of the run to listen to. */
export default function feed({ data, parentElement, setTriggerValue }) {
  const host = parentElement.host ?? parentElement;
  const mount = (parentElement.lafFeed ??= { packets: 0, asked: -1e9 });
  if (!mount.hidden) {
    mount.hidden = host.closest('[data-testid="stElementContainer"]');
    Object.assign(mount.hidden?.style ?? {}, { position: "absolute", height: "0", overflow: "hidden" }); // no gap in the page
  }
  mount.setTriggerValue = setTriggerValue;
  if (data?.push) return keepLine(mount, data);
  if (!data?.byteLength) return undefined;
  const packet = unpack(data);
  const store = storeOf(packet.header.run);
  if (packet.header.kind === "picks") {
    store.picks.told(packet.header, packet.arrays);
    return undefined;
  }
  if (!store.accept(packet)) return undefined;
  clearTimeout(mount.timer);
  if (!store.lack()) mount.packets = 0;
  else {
    mount.packets += 1;
    if (mount.packets > PATIENCE && performance.now() - mount.asked > WAIT / 2) ask(mount, store);
    mount.timer = setTimeout(() => host.isConnected && ask(mount, store), WAIT);
  }
  return undefined;
}
