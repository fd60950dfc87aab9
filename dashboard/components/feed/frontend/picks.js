/**
 * The picked images: each move is drawn at once, and confirmed by the server (docs/wire.md).
 *
 * A move is {nonce, operation, ids}. Unconfirmed moves are sent with the next one, and again after a while. The server
 * applies each nonce once, so no move is lost or applied twice.
 */

const PATIENCE = 1500; // ms until unconfirmed moves are sent again

export const OPERATIONS = ["replace", "add", "subtract", "intersect"];

/** Return the set after an operation with ids. @returns {Set<number>} a new one */
export function combine(before, operation, ids) {
  if (operation === "replace") return new Set(ids);
  const after = new Set(before);
  if (operation === "add") for (const id of ids) after.add(id);
  else if (operation === "subtract") for (const id of ids) after.delete(id);
  else {
    const wanted = new Set(ids);
    for (const id of before) if (!wanted.has(id)) after.delete(id);
  }
  return after;
}

export class Picks {
  /** @param {() => void} tell called after each change */
  constructor(tell) {
    this.tell = tell;
    this.ids = new Set(); // picked ids among the shown points or thumbnails
    this.total = 0; // number of all picked images; null until the server sends it
    this.operation = "replace"; // operation of a move without a modifier key
    this.pending = [];
    this.nonce = 0;
    this.rev = -1;
    this.last = null; // the last lasso: {operation, outline, x, y, ids}, at the release
    this.stats = { sent: 0, answer: null }; // answer: ms from the last move to its confirmation
  }

  /**
   * Make a move.
   * @param {(moves: object[]) => void} send sends all unconfirmed moves to the server
   */
  change(operation, ids, send) {
    this.nonce = Math.max(this.nonce + 1, Date.now()); // increases even after a page reload
    this.pending.push({ nonce: this.nonce, operation, ids: Array.from(ids) });
    this.ids = combine(this.ids, operation, ids);
    this.total = null;
    this.moved = performance.now();
    this.send = send;
    this.#send();
    this.tell();
  }

  #send() {
    clearTimeout(this.timer);
    if (!this.pending.length) return;
    this.stats.sent += 1;
    this.send(this.pending);
    this.timer = setTimeout(() => this.#send(), PATIENCE);
  }

  /** Take the server's selection, and apply the unconfirmed moves to it again. */
  told(header, { ids }) {
    if (header.rev < this.rev) return;
    const waited = this.pending.length;
    this.pending = this.pending.filter(({ nonce }) => nonce > header.nonce);
    this.nonce = Math.max(this.nonce, header.nonce);
    if (waited && !this.pending.length) {
      clearTimeout(this.timer);
      this.stats.answer = performance.now() - this.moved;
    }
    const total = this.pending.length ? null : header.total;
    let now = new Set(ids);
    for (const move of this.pending) now = combine(now, move.operation, move.ids);
    const same = now.size === this.ids.size && [...now].every((id) => this.ids.has(id));
    const changed = !same || total !== this.total || (header.operation ?? this.operation) !== this.operation;
    Object.assign(this, { rev: header.rev, ids: now, total, operation: header.operation ?? this.operation });
    if (changed) this.tell();
  }
}
