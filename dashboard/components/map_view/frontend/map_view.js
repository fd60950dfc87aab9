/** One mounted map view: its elements, its listeners and its drawing. */
import { fitCanvas, h, setText } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import { Camera } from "./camera.js";
import { controls } from "./controls.js";
import { drawStage } from "./draw/draw.js";
import { Layers } from "./draw/layers.js";
import { drawPinned } from "./draw/pinned.js";
import { Thumbs } from "./draw/thumbs.js";
import { Gestures } from "./pick/gestures.js";
import { Card } from "./pick/hover.js";
import { Legend, Names } from "./legend.js";
import { byClass, ghosts } from "./draw/marks.js";
import { prepare } from "./draw/paint.js";
import { Picking } from "./pick/picking.js";
import { Pins } from "./pin/pins.js";
import { Places } from "./places.js";
import { drawSlow, SlowMotion } from "./draw/slow.js";
import * as say from "./words.js";

const HELP = say.MAP_OF_REPRESENTATIONS_PLUS_AND
  + say.AND_STEP_THROUGH_THE_FORGOTTEN;
const SIGHT = 30; // px from the edge of the map within which a point is out of sight

export class MapView {
  constructor(parent) {
    this.controls = controls((what) => this.#act(what));
    this.legend = new Legend((what) => this.#isolate(what), () => this.store?.setView({ trials: !this.store.view.trials }));
    this.canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": HELP });
    this.layers = new Layers();
    this.thumbs = new Thumbs();
    this.slow = new SlowMotion();
    this.notice = h("div", { class: "notice", role: "status" });
    this.picking = new Picking(this.canvas, () => ({ store: this.store, xy: this.places?.xy ?? [], seen: this.seen }), (value) => this.onPick?.(value));
    this.pins = new Pins(() => this, (operation, points) => this.picking.pick(operation, points), (i) => this.#reveal(i));
    this.card = new Card(this.pins.tiles);
    this.picking.bar.tools.append(this.pins.tools);
    this.names = new Names((what) => this.#isolate(what), [this.picking.bar.tools, this.controls.over]);
    this.stage = h("div", { class: "stage" }, this.canvas, this.names.element, ...this.picking.elements, this.controls.over, this.slow.element, this.notice, this.pins.said, this.pins.card.element, this.card.element);
    this.root = h("section", { class: "map-view", "aria-label": say.MAP_VIEW, "data-ready": "false" },
      this.controls.header, h("div", { class: "body" }, this.stage, this.pins.drawer), this.legend.element, this.picking.bar.panel, this.card.spoken);
    parent.append(this.root);
    this.retheme();
    this.gestures = new Gestures(this, {
      act: (what) => this.#act(what), look: (...point) => this.#look(...point), marked: () => this.#marked(),
      moved: () => { this.#stale(); this.#refreshCard(); },
    });
    this.sizes = new ResizeObserver(() => this.#resize());
    this.sizes.observe(this.stage);
  }

  destroy() {
    this.sizes.disconnect();
    this.off?.();
    cancelAnimationFrame(this.request);
    this.root.remove();
  }

  /** Show the store of a run; the same store again changes nothing. */
  show(store) {
    if (store === this.store) return;
    this.off?.();
    this.store = store;
    this.root.dataset.run = store.run;
    this.camera = new Camera(store.view);
    this.places = new Places(store);
    this.card.hide();
    this.seen = this.focus = this.groups = null;
    const listeners = [
      store.on("scene", () => { this.#scene(); this.#status(); }), // no status may follow: all may be there already
      store.on("view", () => this.#changed()),
      store.on("cursor", () => { this.#stale(); this.#refreshCard(); this.pins.update(); }),
      store.on("near", () => { this.pins.update(true); this.#draw(); }),
      store.on("position", () => this.#draw()),
      store.on("frames life", () => this.#changed(false)),
      store.on("status", () => this.#status()),
      store.on("picks", () => { if (this.groups && store.scene) this.legend.build(store, this.theme, this.ghosts); this.picking.update(); this.#stale(); this.#refreshCard(); this.pins.update(); }),
    ];
    this.off = () => listeners.forEach((off) => off());
    this.#changed();
    if (store.scene) this.#scene();
    this.#status();
    this.#resize();
  }

  retheme() {
    this.theme = applyTheme(this.root);
    if (this.store?.scene && this.groups) this.#changed();
  }

  #scene() {
    const { scene } = this.store;
    this.ghosts = ghosts(scene);
    this.groups = byClass(scene);
    this.camera.frame(scene.position);
    this.pins.begin(scene).then(() => this.#changed(false));
    this.names.build(scene, this.groups, this.ghosts);
    this.namesKey = ""; // the camera is the same, but the map is new
    this.layers.begin();
    this.picking.begin(scene);
    this.#changed();
    this.root.dataset.ready = "true";
  }

  #status() {
    const { scene, status, held } = this.store;
    this.root.dataset.frames = held;
    this.root.dataset.phase = status?.phase ?? "preparing";
    const preparing = !scene || status?.phase === "preparing";
    setText(this.notice, preparing ? status?.sentence || say.PREPARING_THE_MODEL_AND_ITS : "");
    this.notice.hidden = !preparing;
    this.notice.classList.toggle("over", Boolean(scene));
    this.root.classList.toggle("waiting", !scene);
    if (!scene) this.root.dataset.ready = "false";
    if (scene) this.legend.tell(this.store);
    if (this.store.slow || !this.slow.element.hidden) this.#draw();
  }

  /** Update everything after a change of a setting, the theme or the references. */
  #changed(rebuild = true) {
    const { store } = this;
    this.controls.update(store.view, store.retrained ? null : say.RETRAINING_FROM_SCRATCH_IS_NOT, store.scene ?? {});
    this.controls.tellCloud(store.view, store.references, store.wanted, store.scene?.stage === "pick");
    this.root.dataset.frames = store.held;
    this.root.dataset.references = store.references.length;
    if (!store.scene || !this.groups) return;
    if (rebuild) this.legend.build(store, this.theme, this.ghosts);
    this.legend.tell(store);
    this.root.dataset.pin = store.view.pin ?? "";
    this.pins.update();
    this.#stale();
    this.#refreshCard();
  }

  /** Return the colours and sizes of the points, prepared again after a change: a click may come before the next picture. */
  #marked() {
    return (this.marks ??= prepare(this.theme, this.store.view, this.store.scene, this.places.says(), this.store.picks.ids));
  }

  #stale() {
    this.marks = null;
    this.#draw();
  }

  #act(what) {
    const { store } = this;
    if (!store) return;
    if (what === "fit") {
      this.camera.fit();
      return this.#changed(false);
    }
    if (what === "trails") return store.setView({ trails: !store.view.trails });
    const { isolate } = store.view;
    const [group] = isolate?.split(":") ?? [];
    const gone = what.colour && ["prediction", "client"].includes(group) && what.colour !== group;
    store.setView(gone ? { ...what, isolate: null } : what);
    if (what.map) this.onMode?.(what.map);
  }

  #isolate(what) {
    const { store } = this;
    store?.setView({ isolate: what === store.view.isolate ? null : what });
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!this.camera || !width || !height) return;
    this.camera.resize(width, height);
    this.pins.update();
    this.#stale();
    this.#refreshCard();
  }

  #draw() {
    this.request ??= requestAnimationFrame((now) => {
      this.request = null;
      if (this.store?.scene && this.root.isConnected) this.#paint(now);
    });
  }

  #paint() {
    const { store, camera, theme, places } = this;
    const moving = places.update(performance.now());
    const { xy } = places;
    const follow = store.view.map === "follow" && store.view.show !== "original";
    const key = `${camera.key},${store.view.isolate},${follow && store.cursor},${follow && store.followHeld},${moving && follow}`;
    if (key !== this.namesKey || (follow && moving)) this.names.place(camera, store.view.isolate, follow ? xy : null);
    this.namesKey = key;
    const context = fitCanvas(this.canvas, camera.width, camera.height, { alpha: false });
    const stage = { store, camera, theme, marks: this.#marked(), xy, ghosts: this.ghosts, names: this.names.boxes(), focus: this.focus, moving, tiles: this.pins.tiles, thumbs: null, trails: null, cloud: null };
    const clouded = this.layers.add(stage);
    if (this.root.dataset.cloud !== String(clouded)) this.root.dataset.cloud = clouded;
    stage.thumbs = this.thumbs.inView(stage, this.pins.tiles);
    drawStage(context, stage);
    if (this.pins.point !== null) drawPinned(context, stage, this.pins.point, this.pins.near);
    if (this.root.dataset.thumbs !== String(this.thumbs.on)) this.root.dataset.thumbs = this.thumbs.on;
    if (this.notice.hidden) window.lafLab.arrived?.(); // removes the page's first map (static/early.js)
    const now = performance.now();
    const acting = this.slow.tell(store, now);
    if (acting && store.live && store.view.show === "now") drawSlow(context, stage, acting, now);
    this.root.dataset.fork = store.fork ? store.forkSeq(store.cursor) ?? "" : "";
    this.seen = { scale: camera.scale, x: camera.originX, y: camera.originY }; // the camera as last drawn: picking must ignore a zoom that is not drawn yet
    store.stats.draws += 1;
    if (this.root.dataset.frame !== String(store.cursor)) this.root.dataset.frame = store.cursor;
    if (this.focus !== null && !this.card.element.hidden && this.byKeys) this.#refreshCard();
    if (acting || moving) this.#draw();
  }

  /** Show the card of point i; one that was chosen by keys stays when the pointer leaves. */
  #look(i, speak = false, byKeys = false) {
    this.focus = i;
    this.byKeys = byKeys;
    if (i === null) this.card.hide();
    else this.#refreshCard(speak);
    this.#draw();
  }

  #refreshCard(speak = false) {
    if (this.focus === null || !this.store?.scene || !this.places.xy.length) return;
    const { xy } = this.places;
    if (this.focus === this.pins.point) { // its own card says all that this one does, and would be covered
      this.card.hide();
      return;
    }
    this.card.show(this.store, this.focus, this.camera.toScreen(xy[2 * this.focus], xy[2 * this.focus + 1]), this.camera, speak);
  }

  /** Move the map so that point i is in sight. */
  #reveal(i) {
    const { camera, places } = this;
    const [x, y] = camera.toScreen(places.xy[2 * i], places.xy[2 * i + 1]);
    if (x > SIGHT && y > SIGHT && x < camera.width - SIGHT && y < camera.height - SIGHT) return;
    camera.pan(camera.width / 2 - x, camera.height / 2 - y);
    this.#changed(false);
  }
}
