/** The nearest neighbours of the pinned image in the representation; the server is asked once for an image and step (docs/wire.md, "Near"). */

const REST = 150; // ms that the shown step must rest before the server is asked: a map that plays asks for none
const MOST = 200; // answers kept

const keyOf = (life, id, seq) => `${life},${id},${seq}`;

export class Near {
  /** @param {() => void} tell called after each answer */
  constructor(tell) {
    this.tell = tell;
    this.known = new Map();
    this.send = null; // set by the run's open line
    this.asked = null; // key of the question without an answer yet
    this.stats = { asked: 0 };
  }

  /** Return the answer {rows: {before, now, retrained} | null}, each row [[id, cosine], …], or null if there is none yet. */
  get(life, id, seq) { return this.known.get(keyOf(life, id, seq)) ?? null; }

  /** Ask for an image at a frame, unless the answer is known or under way. */
  want(life, id, seq) {
    const key = keyOf(life, id, seq);
    if (this.wanted === key && (this.timer || this.asked === key || this.known.has(key))) return;
    this.wanted = key;
    this.question = { life, id, seq };
    clearTimeout(this.timer);
    this.timer = this.known.has(key) ? null : setTimeout(() => this.#ask(key), REST);
  }

  #ask(key) {
    this.timer = null;
    if (!this.send || this.asked === key) return;
    this.asked = key;
    this.stats.asked += 1;
    this.send({ near: this.question });
  }

  /** Ask again what was under way when the line broke. */
  opened(send) {
    this.send = send;
    this.asked = null;
    if (this.question && !this.known.has(this.wanted)) this.#ask(this.wanted);
  }

  told({ life, id, seq, rows }) {
    const key = keyOf(life, id, seq);
    if (this.known.size >= MOST) this.known.clear();
    this.known.set(key, { rows });
    if (this.asked === key) this.asked = null;
    this.tell();
  }

  /** Forget all answers: there are more retrained models now, or the run began again. */
  clear() {
    this.known.clear();
    this.wanted = null;
  }
}
