/** Two lists: the images whose representations turned furthest, and those that turned most beyond their neighbours. A row pins its image. */
import { h, keepKeys } from "../../laf-lab.feed/dom.js";
import { picked } from "../draw/paint.js";
import { allNeighbours, beyondNeighbours, largest } from "./near.js";
import { className } from "./naming.js";
import * as say from "../words.js";

const ROWS = 12;
const NEAR = 10; // neighbours on the original's map

export class Moved {
  /** @param {(i: number) => void} pin @param {import("./tiles.js").Tiles} tiles */
  constructor(pin, tiles) {
    this.pin = pin;
    this.tiles = tiles;
    this.element = h("div", { class: "moved" });
    keepKeys(this.element, [" ", "Enter"]);
    this.key = "";
  }

  begin() {
    this.near = null; // computed when the list is first shown
    this.key = "";
  }

  /** Draw the lists again if the shown frame or the isolated group has changed. */
  update(store, says, pinned) {
    const { scene, view, cursor } = store;
    const { angle } = says;
    const key = [store.life, view.show, cursor, view.isolate, pinned, Boolean(this.tiles.atlas), angle ? angle.length : 0].join();
    if (key === this.key) return;
    this.key = key;
    if (!angle || (view.show === "now" && !angle.some((value) => value > 0))) {
      this.element.replaceChildren(h("p", {}, say.NOTHING_HAS_MOVED_THIS_IS));
      return;
    }
    this.near ??= allNeighbours(scene.position, NEAR);
    const beyond = beyondNeighbours(angle, this.near);
    const open = (i) => picked(view.isolate, scene, says, i);
    const among = view.isolate ? say.ISOLATED_GROUP_ONLY : "";
    const at = this.element.getRootNode().activeElement?.dataset.pin;
    this.element.replaceChildren(
      this.#list(say.furthestMoved(among), say.ANGLE_BETWEEN_THE_REPRESENTATION_NOW, store, says, largest(angle, ROWS, open), (i) => `${angle[i]}°`, pinned),
      this.#list(say.movedRelativeToItsNeighbours(among), say.angleBeyondTheMedianOf(this.near.size), store, says,
        largest(beyond, ROWS, open), (i) => `${beyond[i] < 0 ? "−" : "+"}${Math.abs(Math.round(beyond[i]))}° (${angle[i]}°)`, pinned),
    );
    if (at) this.element.querySelector(`[data-pin="${at}"]`)?.focus();
  }

  #list(title, help, { scene }, says, indices, amount, pinned) {
    const rows = indices.map((i) => {
      const picture = h("canvas", { class: "tile", "aria-hidden": "true" });
      this.tiles.fill(picture, i, 24);
      const [was, now] = [className(scene, scene.prediction[i]), className(scene, says.prediction[i])];
      return h("li", {}, h("button", {
        type: "button", "data-pin": scene.ids[i], "aria-pressed": pinned === i, title: say.pinPoint(scene.ids[i]), onclick: () => this.pin(i),
      }, picture, h("b", {}, amount(i)), h("span", { class: scene.forget[i] ? "forget" : "remain" }, scene.forget[i] ? "forgotten" : "remains"),
      h("span", {}, `${was} → ${now}`), h("small", {}, say.withId3(scene.ids[i]))));
    });
    return h("section", {}, h("h3", { title: help }, title), h("p", {}, help), h("ol", { "aria-label": title }, ...rows));
  }
}
