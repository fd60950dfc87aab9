/** The pinned image and all that belongs to it: its card, the search by id, the flow picture and the lists of moved images. */
import { h, keepKeys, setText } from "../../laf-lab.feed/dom.js";
import { placed } from "../draw/draw.js";
import { PinCard } from "./card.js";
import { Flow } from "./flow.js";
import { Moved } from "./moved.js";
import { Tiles } from "./tiles.js";
import { pointOf } from "./naming.js";
import * as say from "../words.js";

const SHOWN = { original: say.THE_ORIGINAL_MODEL, now: say.THE_MODEL_AT_THE_SHOWN, retrained: say.THE_FIRST_RETRAINED_MODEL };

export class Pins {
  /**
   * @param {() => {store, camera, theme, places, canvas}} stage the shown picture
   * @param {(operation: string, points: number[]) => void} pick selects points on the map, as a lasso does
   * @param {(i: number) => void} reveal moves the map until point i is in sight
   */
  constructor(stage, pick, reveal) {
    this.stage = stage;
    this.reveal = reveal;
    this.tiles = new Tiles();
    this.card = new PinCard({ pin: (i) => this.pin(i), release: () => this.release(), changed: () => stage().store.emit("near") }, this.tiles);
    this.flow = new Flow(pick, () => stage().store.picks.operation);
    this.moved = new Moved((i) => this.pin(i), this.tiles);
    const toggle = (name, title) => {
      const made = h("button", { type: "button", class: "toggle", title, "data-text": name, onclick: () => this.#toggle(name) }, name);
      keepKeys(made, [" ", "Enter"]);
      return made;
    };
    this.toggles = {
      images: toggle("images", say.POINTS_AS_IMAGES_WHERE_FEW),
      density: toggle("density", say.LINES_AROUND_THE_DENSEST),
      flow: toggle("flow", say.FROM_THE_CLASS_OF_EACH),
      moved: toggle("moved", say.THE_POINTS_THAT_MOVED_FURTHEST),
    };
    this.search = h("input", { type: "text", inputmode: "numeric", placeholder: "id", "aria-label": say.FIND_A_POINT_BY_ITS, title: say.FIND_A_POINT_BY_ITS_2, autocomplete: "off" });
    for (const type of ["keydown", "keyup"]) this.search.addEventListener(type, (event) => this.#typed(event));
    this.said = h("p", { class: "said", role: "status" });
    this.tools = h("div", { class: "group" }, ...Object.values(this.toggles), this.search);
    this.drawer = h("div", { class: "drawer", hidden: true }, this.flow.element, this.moved.element);
  }

  /** The neighbours that the card shows, [who, points]. */
  get near() { return (this.card.shown ?? []).map(([who, list]) => [who, list.map(([k]) => k).filter((k) => k >= 0)]); }

  /** The pinned point, or null. */
  get point() {
    const { store } = this.stage();
    if (!store?.scene || store.view.pin === null) return null;
    const i = pointOf(store.scene, store.view.pin);
    return i < 0 ? null : i;
  }

  begin(scene) {
    this.moved.begin();
    return this.tiles.load(scene);
  }

  /** Pin point i, and bring it into sight. */
  pin(i) {
    const { store } = this.stage();
    setText(this.said, "");
    this.#keepFocus();
    store.setView({ pin: store.scene.ids[i] });
    this.reveal(i);
  }

  /** Handle a click on point i of the map, or on none: a second click on the pinned point lets it go. */
  click(i) {
    if (i === null) return;
    if (i === this.point) this.release();
    else this.pin(i);
  }

  /** Let go of the pinned image. @returns {boolean} true if there was one */
  release() {
    const { store } = this.stage();
    setText(this.said, "");
    if (store.view.pin === null) return false;
    this.#keepFocus();
    store.setView({ pin: null });
    return true;
  }

  /** Move the focus to the map before the focused part of the card goes away, so that its keys still work. */
  #keepFocus() {
    if (this.card.element.matches(":focus-within")) this.stage().canvas.focus({ preventScroll: true });
  }

  #toggle(name) {
    const { store } = this.stage();
    if (name === "images" || name === "density") store.setView({ [name]: !store.view[name] });
    else store.setView({ drawer: store.view.drawer === name ? null : name });
  }

  #typed(event) {
    if (event.key === "Escape") return; // lets go of the image, as everywhere on the map
    event.stopPropagation();
    if (event.type !== "keydown" || event.key !== "Enter") return;
    const { scene } = this.stage().store;
    const text = this.search.value.trim();
    const i = /^\d{1,9}$/.test(text) ? pointOf(scene, Number(text)) : -1;
    if (i >= 0) return this.pin(i);
    const some = say.suchAsOr(scene.ids[0], scene.ids[scene.n - 1]);
    if (!/^\d{1,9}$/.test(text)) setText(this.said, say.anIdIsWholeNumber(some));
    else setText(this.said, say.pointIsNotOnThis(text, scene.n.toLocaleString("en"), scene.n_all.toLocaleString("en"), some));
  }

  /** Return the shown map's positions before, now and retrained. */
  #maps(store) {
    const follow = store.view.map === "follow";
    return {
      before: store.scene.position,
      now: store.newest >= 0 ? placed(store, store.cursor) : null,
      retrained: (follow ? store.retrained?.follow : store.retrained?.position) ?? null,
    };
  }

  /** Show the card, the drawer and the state of the switches. @param {boolean} answered the server has sent neighbours */
  update(answered = false) {
    const { store, camera, theme, places } = this.stage();
    if (!store?.scene || !places?.xy.length) return;
    const { view, scene } = store;
    const pick = scene.stage === "pick";
    for (const [name, button] of Object.entries(this.toggles)) button.setAttribute("aria-pressed", ["images", "density"].includes(name) ? view[name] : view.drawer === name);
    this.toggles.moved.hidden = pick; // nothing moves there
    const i = this.point;
    if (i === null) this.card.hide();
    else {
      if (!pick) store.near.want(store.life, scene.ids[i], store.cursor);
      const [x, y] = camera.toScreen(places.xy[2 * i], places.xy[2 * i + 1]);
      if (answered) this.card.nearOf = null;
      this.card.show(store, i, this.#maps(store), { x, y, width: camera.width, height: camera.height });
    }
    this.drawer.hidden = !view.drawer || (pick && view.drawer === "moved");
    this.flow.element.hidden = view.drawer !== "flow";
    this.moved.element.hidden = view.drawer !== "moved";
    const says = places.says();
    if (view.drawer === "flow") this.flow.update(store, theme, says.prediction, SHOWN[view.show]);
    else if (view.drawer === "moved" && !pick) this.moved.update(store, says, i);
  }
}
