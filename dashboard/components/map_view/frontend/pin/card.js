/** The card of the pinned image: the image large, the answers before, now and retrained, and its nearest neighbours as images. */
import { h, keepKeys, setText } from "../../laf-lab.feed/dom.js";
import { segmented } from "../controls.js";
import { votes } from "../pick/hover.js";
import { className, fate, kindOf, owner, pointOf, wrongLabel } from "./naming.js";
import { nearestTo } from "./near.js";
import * as say from "../words.js";

const NEAR = 6; // neighbours in a row
const PLACES = { model: say.BY_THE_ANGLE_BETWEEN_REPRESENTATIONS, map: say.BY_THE_DISTANCE_ON_THE };
const REST = 400; // ms between two updates of the neighbours of the same image
const GAP = 8; // px between the card and the edge of the map
const BELOW = 44; // px from the top: below the control over the map

/** Return the rows of answers to point i: [who, answer, confidence]; of several retrained models the commonest answer and the mean confidence. */
function answers(store, i) {
  const { scene } = store;
  const frame = store.frameAt(store.cursor);
  const name = (k) => className(scene, k);
  const rows = [["before", name(scene.prediction[i]), (scene.confidence[i] / 255).toFixed(2)]];
  if (frame) rows.push([store.live ? "now" : say.step(store.stepOf(store.cursor)), name(frame.prediction[i]), (frame.confidence[i] / 255).toFixed(2)]);
  if (store.references.length) {
    const { answer, most, count, mean } = votes(store.references, i);
    rows.push(["retrained", count > 1 ? say.countOf(name(answer), most, count) : name(answer), mean]);
  }
  return rows;
}

export class PinCard {
  /** @param {{pin: (i: number) => void, release: () => void, changed: () => void}} act @param {import("./tiles.js").Tiles} tiles */
  constructor(act, tiles) {
    this.act = act;
    this.tiles = tiles;
    this.by = "model";
    this.picture = h("canvas", { class: "large", width: 96, height: 96, "aria-hidden": "true" });
    this.head = h("p", { class: "head", "aria-live": "polite" });
    this.rows = h("tbody", {});
    this.turned = h("p", {});
    this.which = segmented(say.NEAREST_POINTS, [
      ["model", say.FOR_THE_MODEL, say.THE_POINTS_WHOSE_REPRESENTATIONS_HAVE],
      ["map", say.ON_THE_MAP, say.THE_POINTS_THAT_LIE_NEAREST],
    ], (value) => { Object.assign(this, { by: value, nearOf: null }); this.act.changed(); });
    this.told = h("p", { class: "told", role: "status" });
    this.near = h("div", { class: "near" });
    const close = h("button", { type: "button", class: "close", "aria-label": say.LET_GO_OF_THE_POINT, title: say.LET_GO_ESCAPE_OR_CLICK, onclick: () => act.release() }, "×");
    this.element = h("aside", { class: "pin", "aria-label": say.PINNED_POINT, hidden: true },
      h("div", { class: "top" }, this.picture, h("div", {}, this.head, h("table", {}, this.rows), this.turned), close),
      h("div", { class: "which" }, h("span", {}, "nearest"), this.which.group), this.told, this.near);
    keepKeys(this.element, [" ", "Enter"]);
    this.key = "";
    this.low = this.right = true; // the side on which the card lies
  }

  /**
   * Show point i. @param {{before, now, retrained}} places flat positions on the shown map, each null where there is none
   * @param {object} box {x, y: of the point in pixels, width, height: of the map}; the card lies away from the point
   */
  show(store, i, places, box) {
    const { scene } = store;
    this.which.update(this.by);
    this.head.replaceChildren(h("b", {}, kindOf(scene, i)), `${say.withId(wrongLabel(scene, i), scene.ids[i])}${owner(scene, i)}`, fate(store, i) ?? "");
    this.rows.replaceChildren(...answers(store, i).map(([who, answer, sure]) => h("tr", { class: who }, h("th", { scope: "row" }, who), h("td", {}, answer), h("td", {}, sure))));
    const frame = store.frameAt(store.cursor);
    setText(this.turned, frame ? say.turnedBy(frame.angle[i]) : "");
    this.#showNear(store, i, places);
    const key = `${scene.ids[i]},${Boolean(this.tiles.atlas)}`;
    if (key !== this.pictureKey) this.tiles.fill(this.picture, i, 96);
    this.pictureKey = key;
    this.element.hidden = false;
    this.#place(box);
  }

  hide() {
    this.element.hidden = true;
  }

  #showNear(store, i, places) {
    const { scene, near } = store;
    if (i === this.nearOf && performance.now() - this.nearAt < REST) { // a map that plays has no time for it at each frame
      this.timer ??= setTimeout(() => { this.timer = null; this.act.changed(); }, REST);
      return;
    }
    Object.assign(this, { nearOf: i, nearAt: performance.now() });
    const answer = this.by === "model" ? near.get(store.life, scene.ids[i], store.cursor) : null;
    const rows = answer?.rows
      ? Object.entries(answer.rows).map(([who, list]) => [who, list.map(([id, cosine]) => [pointOf(scene, id), say.cosine(cosine.toFixed(2))])])
      : Object.entries(places).filter(([, xy]) => xy).map(([who, xy]) => [who, nearestTo(xy, i, NEAR).map((k) => [k, say.ON_THE_MAP])]);
    let told = answer?.rows || this.by === "map" ? PLACES[this.by] : say.untilTheServerHasAnswered(PLACES.map);
    if (this.by === "model" && scene.stage === "pick") told = say.noRunToAsk(PLACES.map);
    setText(this.told, told);
    const key = JSON.stringify([rows, Boolean(this.tiles.atlas), i]);
    this.shown = rows;
    if (key === this.key) return;
    this.key = key;
    this.near.replaceChildren(...rows.map(([who, list]) => h("div", { class: `row ${who}`, role: "group", "aria-label": say.nearest(who) }, h("span", {}, who),
      ...list.filter(([k]) => k >= 0).map(([k, why]) => this.#tile(scene, k, why)))));
  }

  #tile(scene, k, why) {
    const picture = h("canvas", { class: "tile", "aria-hidden": "true" });
    this.tiles.fill(picture, k, 32);
    const text = say.withId2(kindOf(scene, k), scene.ids[k], scene.forget[k] ? "forgotten" : "remains");
    return h("button", {
      type: "button", class: scene.forget[k] ? "forget" : "remain", "data-near": scene.ids[k], "aria-label": say.pin(text), title: `${text}, ${why}`, onclick: () => this.act.pin(k),
    }, picture);
  }

  /** Lie at the right, or at the left where the point would be hidden; on a narrow map at the bottom or the top. */
  #place({ x, y, width, height }) {
    const narrow = width < 560;
    this.element.classList.toggle("narrow", narrow);
    const { style } = this.element;
    if (narrow) style.maxHeight = "";
    const { offsetWidth: w, offsetHeight: tall } = this.element;
    if (narrow) {
      const low = this.low === false ? y < tall + GAP : y < height - tall - GAP; // at first below the tools; it changes sides only where it would hide the point
      this.low = low;
      style.left = `${GAP}px`;
      style.top = `${low ? height - tall - GAP : GAP}px`;
    } else {
      const right = this.right ? x < width - w - GAP : x < 94 + w + GAP;
      this.right = right;
      style.left = `${right ? width - w - GAP : 94}px`;
      const top = right ? BELOW : GAP;
      style.top = `${top}px`;
      style.maxHeight = `${height - top - GAP}px`; // it scrolls rather than cover the control over the map
    }
  }
}
