/** The page's WebSocket to its run: it receives packets and requests missing ones (docs/wire.md, "Push"). */
import { unpack } from "./decode.js";
import { storeOf } from "./store.js";

const AGAIN = [500, 1000, 2000, 5000]; // ms before each further attempt
const NO_SUCH_RUN = 4404;
const NO_LINE = "no line"; // sent instead of a pulse if the socket never opens, as behind a proxy that passes only Streamlit's own
const NAG = 2000; // ms before the rerun is requested again

export class Line {
  /** @param {string} token of the run @param {(pulse: string) => void} onPulse called when the page may need a rerun */
  constructor(token, onPulse) {
    this.token = token;
    this.onPulse = onPulse;
    this.tries = 0;
    this.pulse = null;
    this.#open();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.nag);
    this.socket.close();
  }

  #open() {
    const url = new URL(`../../../laf-feed/${this.token}`, import.meta.url);
    url.protocol = url.protocol.replace("http", "ws");
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.tries = 0;
      this.opened = true;
      this.#answer();
      storeOf(this.token).near.opened((question) => this.#say(question));
    };
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(JSON.parse(data)) : this.#take(new Uint8Array(data)));
    this.socket.onclose = ({ code }) => {
      if (this.closed) return;
      if (code === NO_SUCH_RUN) return this.#told({ pulse: "gone" });
      if (!this.opened && this.tries >= AGAIN.length) return this.#told({ pulse: NO_LINE });
      this.timer = setTimeout(() => this.#open(), AGAIN[Math.min(this.tries++, AGAIN.length - 1)]);
    };
  }

  #told({ pulse, near }) {
    if (near) return storeOf(this.token).near.told(near);
    this.pulse = pulse;
    clearInterval(this.nag);
    this.onPulse(pulse);
    this.nag = setInterval(() => this.onPulse(pulse), NAG); // a busy page may have missed it
    return undefined;
  }

  #take(data) {
    const packet = unpack(data);
    storeOf(packet.header.run).accept(packet);
    this.#answer();
  }

  #answer() {
    this.#say({ lack: storeOf(this.token).lack() });
  }

  #say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
