/** The invisible component inside the polled fragment: fills the store, and asks for what is still missing. */
import { unpack } from "./decode.js";
import { storeOf } from "./store.js";

const PATIENCE = 2; // packets that may come before a gap is asked for
const WAIT = 700; // ms after which it is asked for even without another packet

function ask(mount, store) {
  const lack = store.lack();
  if (!lack) return;
  mount.nonce = (mount.nonce ?? 0) + 1;
  mount.asked = performance.now();
  mount.packets = 0;
  mount.setTriggerValue("lack", { ...lack, nonce: mount.nonce });
}

/** Streamlit calls this with each packet. */
export default function feed({ data, parentElement, setTriggerValue }) {
  const host = parentElement.host ?? parentElement;
  const mount = (parentElement.lafFeed ??= { packets: 0, asked: -1e9 });
  if (!mount.hidden) {
    mount.hidden = host.closest('[data-testid="stElementContainer"]');
    Object.assign(mount.hidden?.style ?? {}, { position: "absolute", height: "0", overflow: "hidden" }); // no gap in the page
  }
  if (!data?.byteLength) return undefined;
  mount.setTriggerValue = setTriggerValue;
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
