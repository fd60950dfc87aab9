/** The page's own connection to its run: packets come in, what is lacking goes out (docs/wire.md, "Push"). */
import { unpack } from "./decode.js";
import { storeOf } from "./store.js";

const AGAIN = [500, 1000, 2000, 5000]; // ms until it tries again, and again
const NO_SUCH_RUN = 4404;
const NO_LINE = "no line"; // told instead of a pulse where it never opens, as behind a proxy that lets only Streamlit's own through
const NAG = 2000; // ms until the page is asked for once more

export class Line {
  /** @param {string} token of the run @param {(pulse: string) => void} onPulse what the page depends on, when it may have changed */
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
    };
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(JSON.parse(data)) : this.#take(new Uint8Array(data)));
    this.socket.onclose = ({ code }) => {
      if (this.closed) return;
      if (code === NO_SUCH_RUN) return this.#told({ pulse: "gone" });
      if (!this.opened && this.tries >= AGAIN.length) return this.#told({ pulse: NO_LINE });
      this.timer = setTimeout(() => this.#open(), AGAIN[Math.min(this.tries++, AGAIN.length - 1)]);
    };
  }

  #told({ pulse }) {
    this.pulse = pulse;
    clearInterval(this.nag);
    this.onPulse(pulse);
    this.nag = setInterval(() => this.onPulse(pulse), NAG); // a page that was busy with something else may have missed it
  }

  #take(data) {
    const packet = unpack(data);
    storeOf(packet.header.run).accept(packet);
    this.#answer();
  }

  #answer() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ lack: storeOf(this.token).lack() }));
  }
}
