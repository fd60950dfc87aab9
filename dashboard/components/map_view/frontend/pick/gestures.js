/** Pointer and keys on the map: drag pans, the wheel zooms, a rest shows the card, a click pins; every move has a key too. */
import { sideOf } from "../draw/thumbs.js";
import { CLICK, nearest, neighbour, REACH } from "./hover.js";

const PAN = { w: [0, 50], s: [0, -50], a: [50, 0], d: [-50, 0] }; // px

export class Gestures {
  /**
   * @param {import("../map_view.js").MapView} view
   * @param {{act: (what: object | string) => void, look: (i: ?number, speak?: boolean, byKeys?: boolean) => void, marked: () => object, moved: () => void}} on
   */
  constructor(view, on) {
    Object.assign(this, { view, on });
    this.#listen();
  }

  /** Return the point nearest to a place on the canvas, or null. */
  #at(marks, place, reach) {
    const { camera, places } = this.view;
    return nearest({ camera, marks, xy: places.xy }, ...place, reach);
  }

  /** Pin the point under a click that did not move the map. */
  #click(event, place) {
    const { view } = this;
    const kind = event.pointerType in REACH ? event.pointerType : "mouse";
    if (!this.drag || this.far > CLICK[kind] || !view.seen) return;
    const reach = Math.max(REACH[kind], view.thumbs.on ? 0.6 * sideOf(view.store) : 0);
    this.on.look(null);
    view.pins.click(this.#at(this.on.marked(), place, reach));
  }

  /** Pan while the pointer drags; otherwise show the card of the point under it. */
  #move(event, place) {
    const { view } = this;
    if (!view.store?.scene) return;
    if (this.drag) {
      const [dx, dy] = [event.clientX - this.drag[0], event.clientY - this.drag[1]];
      this.far += Math.abs(dx) + Math.abs(dy);
      view.camera.pan(dx, dy);
      this.drag = [event.clientX, event.clientY];
      this.on.look(null);
    } else if (view.marks) {
      const i = this.#at(view.marks, place);
      if (i !== view.focus && !(i === null && view.byKeys)) this.on.look(i);
    }
  }

  #listen() {
    const { view } = this;
    const { canvas } = view;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !view.camera) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = [event.clientX, event.clientY];
      this.far = 0;
      view.stage.classList.add("dragging");
    });
    canvas.addEventListener("pointermove", (event) => this.#move(event, place(event)));
    const drop = () => { this.drag = null; view.stage.classList.remove("dragging"); };
    canvas.addEventListener("pointerup", (event) => { this.#click(event, place(event)); drop(); });
    canvas.addEventListener("pointercancel", drop);
    canvas.addEventListener("pointerleave", () => { if (!this.drag && !view.byKeys) this.on.look(null); });
    const zoom = (event) => {
      if (!view.store?.scene) return;
      event.preventDefault();
      view.camera.zoomAt(Math.exp(-Math.max(-240, Math.min(240, event.deltaY)) * 0.0016), ...place(event));
      this.on.moved();
    };
    // the names of classes lie over the canvas, and take the pointer where it is on one
    for (const over of [canvas, view.names.element]) over.addEventListener("wheel", zoom, { passive: false });
    canvas.addEventListener("dblclick", () => { if (view.picking.panning) this.on.act("fit"); });
    canvas.addEventListener("blur", () => { if (view.byKeys) this.on.look(null); });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    view.root.addEventListener("keydown", (event) => this.#rootKey(event));
  }

  /** Handle the keys of the whole map view: the tools', and Escape, which drops one thing at a time. */
  #rootKey(event) {
    const { view } = this;
    if (!view.store?.scene || event.ctrlKey || event.metaKey || event.altKey || view.picking.key(event)) return;
    if (event.key !== "Escape" || view.picking.lasso.cancel() || view.pins.release()) return;
    if (!view.picking.escape() && view.store.view.isolate) view.store.setView({ isolate: null });
  }

  #key(event) {
    const { view } = this;
    if (!view.store?.scene || event.ctrlKey || event.metaKey || event.altKey) return;
    const { camera } = view;
    const move = PAN[event.key.toLowerCase()];
    if (event.key === "+" || event.key === "=") camera.zoomAt(1.25);
    else if (event.key === "-") camera.zoomAt(0.8);
    else if (event.key === "0") camera.fit();
    else if (move) camera.pan(...move);
    else if (event.key === "[" || event.key === "]") {
      if (view.seen) this.on.look(neighbour(this.on.marked(), view.focus, event.key === "]" ? 1 : -1), true, true);
    } else if (event.key === "Enter" && view.focus !== null) view.pins.click(view.focus);
    else if (event.key === "Escape") this.on.look(null);
    else return;
    event.preventDefault();
    if (event.key !== "Escape") event.stopPropagation(); // Escape goes on to the root, which clears the selection
    this.on.moved();
  }
}
