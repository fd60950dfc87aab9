/**
 * The browser's data of one run. The components share it through window.lafLab, so scrubbing, replay and hovering need no
 * server request.
 *
 * Events: "scene", "frames" (frames, readings or references arrived), "status", "cursor" (another frame is shown),
 * "position" (the shown position moved between two frames), "view" (a setting of the picture), "live", "life" (a reset or a rewind),
 * "picks" (other images are picked), "near" (the pinned image's neighbours arrived).
 */
import { Clock } from "./clock.js";
import { part, takeFork } from "./fork.js";
import { lackOf } from "./lack.js";
import { Near } from "./near.js";
import { showAllRetrained, takeOutcome } from "./outcome.js";
import { Picks } from "./picks.js";

const KEPT_RUNS = 5;
const FRAME_FIELDS = ["position", "off_map", "prediction", "confidence", "angle"];
const VIEW = { show: "now", map: "fixed", colour: "forget", trails: true, trials: true, cloud: false, readout: null, balance: "losses", requests: "this", isolate: null, pin: null, images: true, density: false, drawer: null, zoom: 1, x: 0, y: 0 };

export class RunStore extends EventTarget {
  /** @param {string} run the token that the server gave this run */
  constructor(run, view) {
    super();
    this.run = run;
    this.view = { ...VIEW, ...view };
    this.scene = null;
    this.status = null;
    this.rows = [];
    this.life = -1;
    this.rev = 0;
    this.charts = []; // of the losses
    this.outcomes = []; // charts about the model
    this.alarms = []; // each {name, sentence, step, until, advice}
    this.changes = []; // of the settings, each {step, text}
    this.remarks = []; // on steps, each {step, text}
    this.travel = {}; // why the user cannot "continue" or "fork" from the shown step; null where it is possible
    this.layers = null; // {step, rows: [{name, ue, ra, cosine}]}
    this.slow = false;
    this.retrained = null; // the first of them: {rev, position, prediction, confidence, off_map, angle, follow}
    this.references = []; // all of them: {position, prediction, confidence, off_map, angle, fit}
    this.wanted = 0; // number of retrained models to expect
    this.stats = { framesReceived: 0, framesShown: 0, draws: 0, lost: 0 };
    this.clock = new Clock(this);
    this.picks = new Picks(() => this.emit("picks"));
    this.near = new Near(() => this.emit("near"));
    this.#empty();
  }

  /** @param {number} keep number of frames that belong to the next life too */
  #empty(keep = 0) {
    this.frames = (this.frames ?? []).slice(0, keep); // by number; each {position, off_map, prediction, confidence, angle}
    this.readings = (this.readings ?? []).slice(0, keep); // by number
    this.follow = []; // by number; each an Int16Array of positions
    this.fork = null; // the second run: {id, from, shared, total, phase, text, frames, follow, readings}
    this.total = 0;
    this.held = this.frames.reduce((count) => count + 1, 0);
    this.newest = this.frames.length - 1;
    if (!keep) this.clock.reset();
    else this.clock.goLive();
  }

  /** Take the scene, once. @returns {boolean} true if it was new */
  setScene(header, arrays) {
    if (this.scene?.n === header.n) return false;
    this.scene = { ...header, ...arrays, sprite: header.sprite, atlas: arrays.sprite }; // both are called sprite
    if (this.view.colour === "client" && !header.clients) this.view.colour = VIEW.colour; // kept from a run with clients
    this.emit("scene");
    return true;
  }

  /** Take one packet of the feed; repeated frames are ignored. @returns {boolean} false for an outdated packet */
  accept({ header, arrays }) {
    if (header.run !== this.run || header.life < this.life) return false;
    if (header.life > this.life) {
      const reset = this.life >= 0;
      const keep = reset && header.life === this.life + 1 ? header.kept : 0; // after a rewind the earlier frames are the same
      this.life = header.life;
      this.#empty(keep);
      if (reset) this.emit("life");
    }
    this.total = header.total;
    this.rev = header.rev;
    const told = JSON.stringify([header.status, header.rows, header.charts, header.references, header.total, header.rev, header.noise, header.alarms, header.changes, header.marks, header.travel, header.layers, header.slow, header.fork, header.verdict, header.nearest, header.stop]);
    this.status = header.status;
    this.clock.gentle = header.crowd > 1;
    this.rows = header.rows;
    this.charts = header.charts;
    this.outcomes = header.outcomes ?? [];
    this.alarms = header.alarms ?? [];
    this.changes = header.changes ?? [];
    this.remarks = header.marks ?? [];
    this.travel = header.travel ?? {};
    this.layers = header.layers ?? null;
    this.slow = Boolean(header.slow);
    takeOutcome(this, header);
    this.wanted = header.references.total;
    this.noise = header.noise;
    const newest = this.newest;
    let changed = this.#takeRetrained(header, arrays);
    header.seqs.forEach((seq, i) => { changed = this.#takeFrame(seq, i, header, arrays) || changed; });
    (header.follow_seqs || []).forEach((seq, i) => { changed = this.#takeFollow(seq, i, header, arrays) || changed; });
    for (const reading of header.readings) {
      const old = this.readings[reading.seq];
      if (old && old.rev >= reading.rev) continue;
      this.readings[reading.seq] = reading;
      changed = true;
    }
    changed = this.#takeFork(header, arrays) || changed;
    this.stats.lost = this.total - this.held;
    if (this.newest > newest) this.clock.arrived();
    if (Number.isInteger(header.look_at) && this.lookedAt !== header.look_at && this.frames[header.look_at]) {
      this.lookedAt = header.look_at; // once: the URL names the frame to show first
      if (header.look_at < header.total - 1) this.clock.show(header.look_at); // the newest frame is shown and followed by default
    }
    if (header.replay && !this.replayed && this.held === header.total && header.total > 1) {
      this.replayed = true; // once: "Replay in the Lab" was pressed on another page
      this.clock.show(0);
      this.clock.playBack();
    }
    if (changed) this.emit("frames");
    if (changed || told !== this.told) this.emit("status"); // most polls bring nothing new
    this.told = told;
    showAllRetrained(this);
    return true;
  }

  #takeFrame(seq, i, header, arrays) {
    if (this.frames[seq]) return false;
    const frame = {};
    for (const name of FRAME_FIELDS) frame[name] = part(arrays[name], i, header.seqs.length);
    this.frames[seq] = frame;
    this.held += 1;
    this.stats.framesReceived += 1;
    this.newest = Math.max(this.newest, seq);
    return true;
  }

  #takeFollow(seq, i, header, arrays) {
    if (this.follow[seq]) return false;
    this.follow[seq] = part(arrays.follow, i, header.follow_seqs.length);
    return true;
  }

  /** Take the fork's part of a packet; the cursor stays beside the newest frame of a fork that the user watches grow. */
  #takeFork(header, arrays) {
    const sameFork = this.fork && this.fork.id === header.fork?.id;
    const tail = (sameFork ? this.fork.readings.at(-1)?.step : undefined) ?? header.fork?.from;
    const beside = header.fork && !this.live && !this.playing && this.cursor === this.seqAtStep(tail);
    const { fork, changed } = takeFork(this.fork, header, arrays);
    this.fork = fork;
    if (beside && fork.readings.length) this.setCursor(this.seqAtStep(fork.readings.at(-1).step));
    return changed;
  }

  #takeRetrained(header, arrays) {
    const rev = header.retrained_rev ?? header.rev;
    let changed = false;
    if (header.retrained && !(this.retrained?.rev >= rev)) {
      this.references = header.references.fits.map((fit, k, { length }) => {
        const one = { fit };
        for (const name of FRAME_FIELDS) {
          one[name] = part(arrays[`retrained_${name}`], k, length);
        }
        return one;
      });
      if (!this.retrained) this.near.clear(); // answers without the retrained model
      this.retrained = { ...this.references[0], rev, follow: this.retrained?.follow };
      changed = true;
    }
    if (header.retrained_follow && this.retrained && this.retrained.followRev !== rev) {
      this.retrained.follow = arrays.retrained_follow.slice();
      this.retrained.followRev = rev;
      changed = true;
    }
    this.retrainedRev = header.retrained_rev ?? this.retrained?.rev ?? 0;
    return changed;
  }

  /** Return what the server should send again, or null. */
  lack() { return lackOf(this); }

  /** The number of the shown frame. */
  get cursor() { return this.clock.cursor; }
  get live() { return this.clock.live; }
  get playing() { return this.clock.playing; }
  /** The reading beside the shown frame, or the nearest earlier one. */
  get reading() { return this.readingAt(this.cursor); }

  readingAt(seq) {
    for (let i = Math.min(seq, this.readings.length - 1); i >= 0; i--) if (this.readings[i]) return this.readings[i];
    return null;
  }

  /** The nearest held frame at or before seq. */
  frameAt(seq) {
    for (let i = Math.min(seq, this.newest); i >= 0; i--) if (this.frames[i]) return this.frames[i];
    return null;
  }

  followAt(seq) {
    for (let i = Math.min(seq, this.follow.length - 1); i >= 0; i--) if (this.follow[i]) return this.follow[i];
    return null;
  }

  get followHeld() { return this.follow.reduce((count) => count + 1, 0); }

  /** Number of steps in the whole run, as far as known. */
  get steps() {
    const stage = this.status?.stages?.at(-1);
    const own = stage?.total || this.readings.at(-1)?.steps || Math.max(1, this.newest);
    return Math.max(own, this.fork?.steps ?? 0);
  }

  /** Return the alarms that hold at a step, the latest first. */
  alarmsAt(step) {
    return this.alarms.filter(({ step: began, until }) => began <= step && (until === null || step < until)).reverse();
  }

  /** Return the fork's frame beside a frame of the run: that of the same step, or the newest with the newest; null before the fork. */
  forkSeq(seq) {
    const { fork } = this;
    const newest = (fork?.readings.length ?? 0) - 1;
    if (!fork || newest < fork.shared) return null;
    if (this.live && seq >= this.newest) return newest;
    const step = this.stepOf(seq);
    let best = null;
    for (let i = fork.shared; i <= newest; i++) if (fork.readings[i] && fork.readings[i].step <= step) best = i;
    return best;
  }

  forkReadingAt(seq) {
    const at = this.forkSeq(seq);
    return at === null ? null : this.fork.readings[at];
  }

  stepOf(seq) { return this.readings[seq]?.step ?? seq; }

  /** Return the held frame with the nearest step. */
  seqAtStep(step) {
    let best = 0;
    for (let seq = 0; seq <= this.newest; seq++) {
      if (this.frames[seq] && Math.abs(this.stepOf(seq) - step) < Math.abs(this.stepOf(best) - step)) best = seq;
    }
    return best;
  }

  setCursor(seq) { this.clock.show(seq); }
  goLive() { this.clock.goLive(); }
  playBack(speed) { this.clock.playBack(speed); }
  stop() { this.clock.stop(); }

  /** Change settings of the picture for every component that shows this run. */
  setView(patch) {
    Object.assign(this.view, patch);
    const { colour, trails, images } = this.view;
    if (this.scene?.stage !== "pick") window.lafLab.lastView = { colour, trails, images };
    this.emit("view");
  }

  emit(type) { this.dispatchEvent(new Event(type)); }

  /** Listen until the returned function is called. */
  on(types, listener) {
    for (const type of types.split(" ")) this.addEventListener(type, listener);
    return () => { for (const type of types.split(" ")) this.removeEventListener(type, listener); };
  }
}

/** Return the store of one run: the same object for all components, also after the user left the page and returned. */
export function storeOf(run) {
  const lab = (window.lafLab ??= {});
  lab.stores ??= new Map();
  lab.store ??= storeOf;
  let store = lab.stores.get(run);
  if (!store) store = new RunStore(run, lab.lastView); // colour and trails are kept from the previous run
  lab.stores.delete(run); // the least recently used store comes first
  lab.stores.set(run, store);
  if (lab.stores.size > KEPT_RUNS) lab.stores.delete(lab.stores.keys().next().value);
  return store;
}
