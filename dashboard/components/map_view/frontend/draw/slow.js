/** Slow motion: the name of the running stage, its formula with the active part lit, and marks on the affected points. */
import { calm } from "../../laf-lab.feed/clock.js";
import { h, setText } from "../../laf-lab.feed/dom.js";
import * as say from "../words.js";

const HALF = 520; // ms of a step that belong to its first loss
const READ = 450; // ms for which each preparing stage is named at least
const MOST = 160; // most arrows
const UNIT = 1 / 32767;

/** Each formula as parts; those with a role are lit. */
const STAGES = {
  vae: { name: say.VAE_OF, what: say.AUTOENCODER_LEARNS_ALL_POINTS, parts: [["h: ", ""], ["‖ê − e‖² + β KL", "all"], [say.OVER_ALL_OF, "all"]] },
  vae_f: { name: say.VAE_OF_2, what: say.AUTOENCODER_LEARNS_THE_FORGOTTEN, parts: [["h_f: ", ""], ["‖ê − e‖² + β KL", "forget"], [" over D_f", "forget"]] },
  ue: { name: say.EXTRACTOR_UNLEARNING_UE, what: say.FORGOTTEN_POINTS_ARE_PUSHED_TO, parts: [["Σ φ(m(e, h(e)))", "remain"], [" over B_r  −  ", ""], ["Σ φ(m(e, h_f(e)))", "forget"], [" over B_f", ""]] },
  ra: { name: say.REPRESENTATION_ALIGNMENT_RA, what: say.REMAINING_POINTS_ARE_HELD_WHERE, parts: [["Σ d(x)", "remain"], [" over B_r  −  |B_r| log ", ""], ["Σ exp(d(x') / τ)", "forget"], [" over B_f", ""]] },
  joint: { name: say.BOTH_LOSSES_AT_ONCE_UE, what: say.ONE_STEP_ON_THE_SUM, parts: [["L_UE", "all"], ["  +  ", ""], ["L_RA", "all"]] },
  other: { name: "A step", what: say.OF_THIS_METHOD, parts: [] },
};

export class SlowMotion {
  constructor() {
    this.name = h("b", {});
    this.what = h("span", {});
    this.formula = h("code", {});
    this.element = h("div", { class: "slow", role: "status", hidden: true }, this.name, this.what, this.formula);
    this.newest = -1;
    this.due = new Map(); // preparing stages not yet named long enough, with the time each was first named
  }

  /** Remember the upcoming preparing stages, so that one which ends between two pictures is named too. */
  foresee(store, stages) {
    if (store !== this.store || !store.slow) this.due.clear();
    this.store = store;
    if (store.slow) for (const { key } of stages) if (!this.due.has(key)) this.due.set(key, null);
  }

  /** Return the preparing stage to name: the running one, or one that ended too quickly to be read. */
  preparing(running, now) {
    for (const [key, first] of this.due) {
      const since = first ?? now;
      this.due.set(key, since);
      if (key === running || now - since < READ) return key;
      this.due.delete(key);
    }
    return null;
  }

  /** Return the key of the active stage; null without slow motion. */
  stage(store, now) {
    const ahead = (store.status?.stages ?? []).slice(0, -1).filter(({ done, total }) => done < total);
    this.foresee(store, ahead);
    if (!store.slow || store.status?.phase !== "running") return null;
    const before = this.preparing(ahead[0]?.key, now);
    if (before) return STAGES[before] ? before : "other";
    if (store.newest !== this.newest) {
      this.newest = store.newest;
      this.since = now;
    }
    const loss = store.readings[store.newest]?.loss ?? {};
    const [ue, ra] = ["ue_remain" in loss, "ra_align" in loss];
    if (ue && ra) {
      if (!("move_ue" in loss)) return "joint";
      return now - this.since < HALF ? "ue" : "ra";
    }
    return ue ? "ue" : ra ? "ra" : store.newest > 0 ? "other" : "ue";
  }

  /** Show the stage. @returns {string | null} its key */
  tell(store, now) {
    const key = this.stage(store, now);
    this.element.hidden = !key;
    if (!key || key === this.told) return key;
    this.told = key;
    const { name, what, parts } = STAGES[key];
    this.element.dataset.stage = key;
    setText(this.name, name);
    setText(this.what, what);
    this.formula.replaceChildren(...parts.map(([text, role]) => h("span", { class: role ? `lit ${role}` : "" }, text)));
    return key;
  }
}

/** Draw pulsing rings around the points that a stage learns from. */
function rings(context, { camera, marks, xy }, indices, colour, now) {
  const beat = calm.matches ? 0.6 : 0.35 + 0.3 * Math.sin(now / 160);
  const every = Math.max(1, Math.ceil(indices.length / 700));
  context.strokeStyle = colour;
  context.lineWidth = 1.2;
  context.globalAlpha = beat;
  context.beginPath();
  for (let k = 0; k < indices.length; k += every) {
    const [x, y] = camera.toScreen(xy[2 * indices[k]], xy[2 * indices[k] + 1]);
    context.moveTo(x + marks.large + 3 * beat, y);
    context.arc(x, y, marks.large + 3 * beat, 0, 7);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** Draw a step's arrows, from the points' previous to their new positions. */
function arrows(context, { store, camera, marks }, colour) {
  const [from, to] = [store.frameAt(store.newest - 1), store.frameAt(store.newest)];
  if (!from || !to || from === to) return;
  const every = Math.max(1, Math.ceil(marks.forgotten.length / MOST));
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.4;
  context.globalAlpha = 0.85;
  for (let k = 0; k < marks.forgotten.length; k += every) {
    const i = marks.forgotten[k];
    const [ax, ay] = camera.toScreen(from.position[2 * i] * UNIT, from.position[2 * i + 1] * UNIT);
    const [bx, by] = camera.toScreen(to.position[2 * i] * UNIT, to.position[2 * i + 1] * UNIT);
    const [dx, dy] = [bx - ax, by - ay];
    const length = Math.hypot(dx, dy);
    if (length < 1.5) continue; // did not move
    const [ux, uy] = [dx / length, dy / length];
    context.beginPath();
    context.moveTo(ax, ay);
    context.lineTo(bx, by);
    context.stroke();
    context.beginPath();
    context.moveTo(bx + 5 * ux, by + 5 * uy);
    context.lineTo(bx - 3 * ux - 3 * uy, by - 3 * uy + 3 * ux);
    context.lineTo(bx - 3 * ux + 3 * uy, by - 3 * uy - 3 * ux);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** Draw the marks of a stage over the points. */
export function drawSlow(context, stage, key, now) {
  const { marks, theme } = stage;
  if (key === "vae" || key === "joint") rings(context, stage, marks.remaining, theme.remain, now);
  if (key === "ra") rings(context, stage, marks.remaining, theme.ra, Math.PI * 40); // held points do not pulse
  if (key === "vae" || key === "vae_f" || key === "joint") rings(context, stage, marks.forgotten, theme.forget, now);
  if (key === "ue" || key === "ra") arrows(context, stage, theme[key]);
}
