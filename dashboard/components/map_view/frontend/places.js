/** The current position of each point in map units: between two frames, or in transition between two pictures. */
import { calm } from "../laf-lab.feed/clock.js";

const TURN = 420; // ms from one map or model to another
const SCRUB = 110; // ms for a jump to a distant frame
const UNIT = 1 / 32767;
const ease = (share) => 1 - (1 - share) ** 3;

export class Places {
  constructor(store) {
    this.store = store;
    this.xy = new Float32Array(0);
    this.key = "";
  }

  /** Return the two raw arrays to interpolate between, and the share of the second. */
  #ends() {
    const { store } = this;
    const { show, map } = store.view;
    const follow = map === "follow";
    if (show === "retrained" && store.retrained) {
      const there = (follow && store.retrained.follow) || store.retrained.position;
      return [there, there, 0];
    }
    if (show !== "now" || store.newest < 0) return [store.scene.position, store.scene.position, 0];
    const at = calm.matches ? store.cursor : store.clock.position;
    const low = Math.floor(at);
    const get = (seq) => (follow && store.followAt(seq)) || store.frameAt(seq)?.position || store.scene.position;
    return [get(low), at > low ? get(low + 1) : get(low), at - low];
  }

  /** Update `xy`. @returns {boolean} true while a transition is running */
  update(now) {
    const { scene, view, clock } = this.store;
    const [low, high, share] = this.#ends();
    const size = scene.n * 2;
    const first = this.xy.length !== size;
    if (first) this.xy = new Float32Array(size);
    const key = `${view.show},${view.map}`;
    const leap = Math.abs(clock.position - this.lastPosition) > 1.6;
    if (!first && !calm.matches && (key !== this.key || (leap && view.show === "now"))) {
      this.blend = { from: this.xy.slice(), start: now, span: key !== this.key ? TURN : SCRUB };
    }
    this.key = key;
    this.lastPosition = clock.position;
    const { xy } = this;
    for (let i = 0; i < size; i++) xy[i] = (low[i] + (high[i] - low[i]) * share) * UNIT;
    if (!this.blend) return false;
    const passed = ease(Math.min(1, Math.max(0, (now - this.blend.start) / this.blend.span)));
    const { from } = this.blend;
    for (let i = 0; i < size; i++) xy[i] = from[i] + (xy[i] - from[i]) * passed;
    if (passed === 1) this.blend = null;
    return this.blend !== null;
  }

  /** Return the shown model's {prediction, confidence, off_map, angle} of each point; angle is null for the original. */
  says() {
    const { store } = this;
    if (store.view.show === "retrained" && store.retrained) return store.retrained;
    const frame = store.view.show === "original" ? null : store.frameAt(store.cursor);
    return frame ?? { ...store.scene, angle: null, off_map: null }; // the first frames may arrive after later ones
  }
}
