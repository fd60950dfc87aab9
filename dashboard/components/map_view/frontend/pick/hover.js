/** The card of the point under the pointer, or of the one chosen with [ and ]. */
import { h } from "../../laf-lab.feed/dom.js";
import { className, fate, kindOf, owner, wrongLabel } from "../pin/naming.js";
import * as say from "../words.js";

export const CLICK = { mouse: 4, pen: 8, touch: 12 }; // px that the pointer may move during a click
export const REACH = { mouse: 12, pen: 18, touch: 26 }; // px from the pointer to its point

/** Return the visible point nearest to a pixel and within `reach` pixels of it, or null. */
export function nearest({ camera, marks, xy }, px, py, reach = REACH.mouse) {
  let best = null;
  let least = reach * reach;
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

/** Return the retrained models' commonest answer to point i, how many give it, and their confidences (0…255) with the mean as text. */
export function votes(references, i) {
  const counts = new Map();
  for (const { prediction } of references) counts.set(prediction[i], (counts.get(prediction[i]) ?? 0) + 1);
  const [answer, most] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best));
  const sure = references.map((one) => one.confidence[i]);
  const count = references.length;
  return { answer, most, count, sure, mean: (sure.reduce((sum, value) => sum + value, 0) / count / 255).toFixed(2) };
}

/** Return the retrained models' answers to point i, "4 of 5 say 6, mean confidence 0.93", and the position of `confidence` (0…255) among theirs. */
export function theirs(references, i, name, confidence = null) {
  const { answer, most, count, mean, sure } = votes(references, i);
  if (count === 1) return { said: `says ${name(answer)}, confidence ${mean}`, place: "" };
  let place = "";
  if (confidence !== null) {
    const below = sure.filter((value) => value < confidence).length;
    const even = sure.filter((value) => value === confidence).length;
    place = say.percentileOf(ordinal(Math.round((100 * (below + even / 2)) / count)), count);
  }
  return { said: say.ofSay(most, count, name(answer), mean), place };
}

export class Card {
  /** @param {import("../pin/tiles.js").Tiles} tiles the scene's images */
  constructor(tiles) {
    this.tiles = tiles;
    this.picture = h("canvas", { class: "picture", width: 64, height: 64 });
    this.lines = h("div", { class: "lines" });
    this.element = h("div", { class: "card", hidden: true }, this.picture, this.lines);
    this.spoken = h("p", { class: "spoken", "aria-live": "polite" });
  }

  /** Show point i at a pixel; `speak` announces it to screen readers. */
  show(store, i, [px, py], camera, speak = false) {
    const { scene } = store;
    const frame = store.frameAt(store.cursor);
    const name = (k) => className(scene, k);
    const now = frame ? name(frame.prediction[i]) : null;
    const part = (word, value) => (value === null ? [] : [`${word} `, h("b", {}, value)]);
    const said = [["was", name(scene.prediction[i])], ["now", now]].filter(([, value]) => value !== null);
    const before = (scene.confidence[i] / 255).toFixed(2);
    const retrained = store.references.length ? theirs(store.references, i, name, frame?.confidence[i]) : null;
    const rows = [
      h("p", { class: "head" }, h("b", {}, kindOf(scene, i)), `${say.withId(wrongLabel(scene, i), scene.ids[i])}${owner(scene, i)}`, fate(store, i)),
      h("p", {}, ...said.flatMap(([word, value], k) => [k ? ", " : "", ...part(word, value)])),
      h("p", {}, frame ? say.confidence(before, (frame.confidence[i] / 255).toFixed(2)) : say.confidence2(before), retrained?.place ? say.retrained2(retrained.place) : ""),
    ];
    if (retrained) rows.splice(2, 0, h("p", { class: "theirs" }, "retrained: ", h("b", {}, retrained.said)));
    if (frame) rows.push(h("p", {}, say.turnedByRemainingPoints(frame.angle[i], still(store, frame).toFixed(0))));
    const strange = frame && store.view.show === "now" && store.view.map === "fixed" && frame.off_map[i] > 128;
    if (strange) rows.push(h("p", { class: "strange" }, say.NOWHERE_NEAR_ANYTHING_ON_THE));
    this.lines.replaceChildren(...rows);
    this.tiles.fill(this.picture, i, 64);
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
