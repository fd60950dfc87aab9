/** The card of the point under the pointer, or of the one chosen with [ and ]. */
import { h } from "../../laf-lab.feed/dom.js";

const REACH = 12; // px

/** Return the visible point nearest to a pixel, or null. */
export function nearest({ camera, marks, xy }, px, py) {
  let best = null;
  let least = REACH * REACH;
  const { scale, originX, originY } = camera;
  for (let k = marks.order.length - 1; k >= 0; k--) {
    const i = marks.order[k];
    const [dx, dy] = [originX + xy[2 * i] * scale - px, originY - xy[2 * i + 1] * scale - py];
    const distance = dx * dx + dy * dy;
    if (distance < least && marks.alpha[i] > 0.11) [best, least] = [i, distance];
  }
  return best;
}

/** Return the forgotten point after (or before) `from`, among the visible ones. */
export function neighbour(marks, from, way) {
  const open = Array.from(marks.forgotten).filter((i) => marks.alpha[i] > 0.11).sort((a, b) => a - b);
  if (!open.length) return null;
  const at = open.indexOf(from);
  return open[(at < 0 ? (way > 0 ? 0 : open.length - 1) : at + way + open.length) % open.length];
}

/** Return the mean angle of the remaining images in the shown frame: turning that means nothing. */
function still(store, frame) {
  const given = store.reading?.angle?.remain;
  if (typeof given === "number") return given;
  let [sum, count] = [0, 0];
  for (let i = 0; i < store.scene.n; i++) if (!store.scene.forget[i]) [sum, count] = [sum + frame.angle[i], count + 1];
  return count ? sum / count : 0;
}

/** Return an ordinal such as "62nd". */
function ordinal(n) {
  const tens = n % 100 >= 11 && n % 100 <= 13;
  return `${n}${(!tens && ["th", "st", "nd", "rd"][n % 10]) || "th"}`;
}

/** Return the retrained models' answers to point i, "4 of 5 say 6, mean confidence 0.93", and the position of `confidence` (0…255) among theirs. */
export function theirs(references, i, name, confidence = null) {
  const count = references.length;
  const votes = new Map();
  for (const { prediction } of references) votes.set(prediction[i], (votes.get(prediction[i]) ?? 0) + 1);
  const [answer, most] = [...votes].reduce((best, one) => (one[1] > best[1] ? one : best));
  const sure = references.map((one) => one.confidence[i]);
  const mean = (sure.reduce((sum, value) => sum + value, 0) / count / 255).toFixed(2);
  if (count === 1) return { said: `says ${name(answer)}, confidence ${mean}`, place: "" };
  let place = "";
  if (confidence !== null) {
    const below = sure.filter((value) => value < confidence).length;
    const even = sure.filter((value) => value === confidence).length;
    place = `${ordinal(Math.round((100 * (below + even / 2)) / count))} percentile of ${count}`;
  }
  return { said: `${most} of ${count} say ${name(answer)}, mean confidence ${mean}`, place };
}

/** Return "forgotten" or "remains" in its colour. */
function fate({ scene, picks }, i) {
  const picked = picks.ids.has(scene.ids[i]);
  if (scene.stage === "pick") return picked ? h("em", { class: "forget" }, "picked") : null;
  return h("em", { class: scene.forget[i] ? "forget" : "remain" }, scene.forget[i] ? "forgotten" : "remains", picked ? ", picked" : "");
}

export class Card {
  constructor() {
    this.picture = h("canvas", { class: "picture", width: 64, height: 64 });
    this.lines = h("div", { class: "lines" });
    this.element = h("div", { class: "card", hidden: true }, this.picture, this.lines);
    this.spoken = h("p", { class: "spoken", "aria-live": "polite" });
  }

  /** Load the scene's atlas of images. */
  async load(scene) {
    this.sheet = scene.sprite;
    this.atlas = null;
    if (scene.atlas) this.atlas = await createImageBitmap(new Blob([scene.atlas], { type: scene.sprite.mime }));
  }

  #draw(i) {
    if (!this.atlas) return;
    const { columns, width, height } = this.sheet;
    const context = this.picture.getContext("2d");
    const side = Math.max(width, height);
    const large = Math.max(64, Math.round(64 / side) * side);
    Object.assign(this.picture, { width: large, height: large });
    context.imageSmoothingEnabled = false;
    context.drawImage(this.atlas, (i % columns) * width, Math.floor(i / columns) * height, width, height, 0, 0, large, large);
  }

  /** Show point i at a pixel; `speak` announces it to screen readers. */
  show(store, i, [px, py], camera, speak = false) {
    const { scene } = store;
    const frame = store.frameAt(store.cursor);
    const name = (k) => scene.classes[k] ?? "?";
    const kind = scene.classes.every((text) => /^\d$/.test(text)) ? `digit ${name(scene.label[i])}` : name(scene.label[i]);
    const wrong = scene.given && scene.given[i] !== scene.label[i] ? `, mislabelled ${name(scene.given[i])}` : "";
    const now = frame ? name(frame.prediction[i]) : null;
    const part = (word, value) => (value === null ? [] : [`${word} `, h("b", {}, value)]);
    const said = [["was", name(scene.prediction[i])], ["now", now]].filter(([, value]) => value !== null);
    const before = (scene.confidence[i] / 255).toFixed(2);
    const retrained = store.references.length ? theirs(store.references, i, name, frame?.confidence[i]) : null;
    const rows = [
      h("p", { class: "head" }, h("b", {}, kind), `${wrong} · id ${scene.ids[i]}`, fate(store, i)),
      h("p", {}, ...said.flatMap(([word, value], k) => [k ? ", " : "", ...part(word, value)])),
      h("p", {}, frame ? `confidence ${before} → ${(frame.confidence[i] / 255).toFixed(2)}` : `confidence ${before}`, retrained?.place ? `: ${retrained.place} retrained` : ""),
    ];
    if (retrained) rows.splice(2, 0, h("p", { class: "theirs" }, "retrained: ", h("b", {}, retrained.said)));
    if (frame) rows.push(h("p", {}, `turned by ${frame.angle[i]}° (remaining images: ${still(store, frame).toFixed(0)}°)`));
    const strange = frame && store.view.show === "now" && store.view.map === "fixed" && frame.off_map[i] > 128;
    if (strange) rows.push(h("p", { class: "strange" }, "nowhere near anything on the original's map"));
    this.lines.replaceChildren(...rows);
    this.#draw(i);
    this.element.hidden = false;
    const [w, tall] = [this.element.offsetWidth, this.element.offsetHeight];
    const left = px + 16 + w < camera.width - 6 ? px + 16 : px - 16 - w;
    const top = py + 14 + tall < camera.height - 6 ? py + 14 : py - 14 - tall;
    this.element.style.left = `${Math.max(6, Math.min(camera.width - w - 6, left))}px`;
    this.element.style.top = `${Math.max(6, Math.min(camera.height - tall - 6, top))}px`;
    if (speak) this.spoken.textContent = rows.map((row) => row.textContent).join(", ").replace(/(forgotten|remains),/, ", $1,");
  }

  hide() {
    this.element.hidden = true;
  }
}
