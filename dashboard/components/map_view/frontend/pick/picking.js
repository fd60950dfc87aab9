/** Picking on the map: the tools, the bar of picked images, and the messages to the server. */
import { Lasso } from "./lasso.js";
import { PickBar } from "./pickbar.js";

const KEYS = { l: "lasso", b: "box", p: "pan" };

export class Picking {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => {store, xy, seen}} stage the shown picture; seen: {scale, x, y} of the camera as last drawn
   * @param {(value: object) => void} tell sends to the server (docs/wire.md, "Picks")
   */
  constructor(canvas, stage, tell) {
    this.stage = stage;
    this.tell = tell;
    this.lasso = new Lasso(canvas, {
      points: () => this.#drawn(), operation: () => stage().store.picks.operation, changed: () => this.update(),
      picked: (operation, points, record) => this.pick(operation, points, record),
    });
    this.bar = new PickBar({
      tool: (tool) => this.lasso.choose(tool), operation: (operation) => this.#operation(operation), act: (what) => this.#act(what),
    });
    this.elements = [this.lasso.element, this.bar.tools];
  }

  get panning() { return this.lasso.tool === "pan"; }

  /** Begin with a new scene; the page Forget set begins with the lasso. */
  begin(scene) {
    if (!this.begun) this.lasso.choose(scene.stage === "pick" ? "lasso" : "pan");
    this.begun = true;
    this.update();
  }

  update() {
    const { store } = this.stage();
    if (store?.scene) this.bar.update({ scene: store.scene, picks: store.picks, tool: this.lasso.tool, operation: this.lasso.operation });
  }

  /** Handle a key. @returns {boolean} true if it was one of the tools' keys */
  key(event) {
    const tool = KEYS[event.key.toLowerCase()];
    if (tool) this.lasso.choose(tool);
    return Boolean(tool);
  }

  /** Handle Escape. @returns {boolean} true if an outline or a selection was dropped */
  escape() {
    if (this.lasso.cancel()) return true;
    const { picks, scene } = this.stage().store;
    if (!picks.ids.size || scene.stage === "pick") return false; // that page has undo and clear, and Escape would lose much
    this.#act("clear");
    return true;
  }

  /** Return each point's position in canvas pixels as last drawn; null before the first picture. */
  #drawn() {
    const { store, xy, seen } = this.stage();
    const n = store?.scene?.n;
    if (!seen || !n || xy.length !== 2 * n) return null;
    return {
      x: Float64Array.from({ length: n }, (_, i) => seen.x + xy[2 * i] * seen.scale),
      y: Float64Array.from({ length: n }, (_, i) => seen.y - xy[2 * i + 1] * seen.scale),
    };
  }

  /** Select points by an operation: those under a lasso, whose `record` is kept, or those of another picture. */
  pick(operation, points, record = null) {
    const { picks, scene } = this.stage().store;
    const ids = points.map((i) => scene.ids[i]);
    if (record) picks.last = { ...record, ids };
    picks.change(operation, ids, (moves) => this.tell({ moves }));
  }

  /** Send a button press, with the moves that the server may not have seen. */
  #act(what) {
    if (what === "clear") this.pick("replace", []);
    else this.tell({ moves: this.stage().store.picks.pending, act: what, nonce: Date.now() });
  }

  #operation(operation) {
    this.stage().store.picks.operation = operation;
    this.update();
  }
}
