/** The tools that pick points: a free outline or a box, drawn live. The release picks the points under it as drawn at that time. */
import * as say from "../words.js";

const CLICK = 4; // px that the pointer may move during a click
const REACH = 8; // px from a click to the point it picks
const SVG = "http://www.w3.org/2000/svg";

export const TOOLS = {
  pan: ["pan", say.DRAG_MOVES_THE_MAP_SHIFT],
  lasso: ["lasso", say.DRAG_AROUND_POINTS_TO_PICK_2],
  box: ["box", say.DRAG_BOX_OVER_POINTS_TO],
};

/** Return true for a position inside a closed outline [[x, y], …], by the even-odd rule. */
export function under(outline, x, y) {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [xi, yi] = outline[i];
    const [xj, yj] = outline[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Return the indices of the points inside an outline. @param {{x: ArrayLike<number>, y: ArrayLike<number>}} points in pixels */
export function pointsUnder(outline, { x, y }) {
  const [left, right] = [Math.min(...outline.map((p) => p[0])), Math.max(...outline.map((p) => p[0]))];
  const found = [];
  for (let i = 0; i < x.length; i++) if (x[i] >= left && x[i] <= right && under(outline, x[i], y[i])) found.push(i);
  return found;
}

/** Return the point nearest to a pixel, if it is within reach. */
function pointAt({ x, y }, px, py) {
  let [best, least] = [[], REACH * REACH];
  for (let i = 0; i < x.length; i++) {
    const distance = (x[i] - px) ** 2 + (y[i] - py) ** 2;
    if (distance <= least) [best, least] = [[i], distance];
  }
  return best;
}

export class Lasso {
  /**
   * @param {HTMLCanvasElement} canvas the map, whose pixels are the unit
   * @param {object} act {points: () => {x, y} as drawn now, operation: () => string, picked: (operation, indices, record),
   *   changed: () => void, called when tool or operation change}
   */
  constructor(canvas, act) {
    this.canvas = canvas;
    this.act = act;
    this.tool = "pan";
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("class", "outline");
    this.path = this.element.appendChild(document.createElementNS(SVG, "path"));
    canvas.addEventListener("pointerdown", (event) => this.#down(event), true);
    canvas.addEventListener("pointermove", (event) => this.#move(event), true);
    canvas.addEventListener("pointerup", (event) => this.#up(event), true);
    canvas.addEventListener("pointercancel", () => this.cancel(), true);
  }

  choose(tool) {
    this.cancel();
    this.tool = tool;
    this.canvas.dataset.tool = tool;
    this.act.changed();
  }

  /** Drop the unfinished outline. @returns {boolean} true if there was one */
  cancel() {
    const drawing = Boolean(this.outline);
    this.outline = this.now = null;
    this.path.setAttribute("d", "");
    if (drawing) this.act.changed();
    return drawing;
  }

  /** The operation of a release at this moment. */
  get operation() { return this.now ?? this.act.operation(); }

  /** Shift adds, alt or control subtracts, both intersect. With the pan tool a shift-drag only starts a lasso. */
  #operation({ shiftKey, altKey, ctrlKey, metaKey }) {
    const shift = shiftKey && this.tool !== "pan";
    const less = altKey || ctrlKey || metaKey;
    if (shift && less) return "intersect";
    if (shift) return "add";
    return less ? "subtract" : this.act.operation();
  }

  /** Return the pointer's position, limited to the canvas. */
  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [Math.max(0, Math.min(box.width, clientX - box.left)), Math.max(0, Math.min(box.height, clientY - box.top))];
  }

  #down(event) {
    if (event.button || !this.act.points()) return;
    if (this.tool === "pan" && !event.shiftKey) return;
    event.stopImmediatePropagation();
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.start = this.#place(event);
    this.outline = [this.start];
    this.far = 0;
    this.#show(event);
  }

  #move(event) {
    if (!this.outline) return;
    event.stopImmediatePropagation();
    this.#extend(this.#place(event));
    this.#show(event);
  }

  #extend([x, y]) {
    const [x0, y0] = this.start;
    this.far = Math.max(this.far, Math.hypot(x - x0, y - y0));
    if (this.tool === "box") this.outline = [[x0, y0], [x, y0], [x, y], [x0, y]];
    else this.outline.push([x, y]);
  }

  #show(event) {
    this.now = this.#operation(event);
    this.path.setAttribute("d", `M${this.outline.map(([x, y]) => `${x} ${y}`).join("L")}Z`);
    this.element.dataset.operation = this.now;
    this.act.changed();
  }

  #up(event) {
    if (!this.outline) return;
    event.stopImmediatePropagation();
    const points = this.act.points();
    this.#extend(this.#place(event));
    const [operation, { outline }] = [this.#operation(event), this];
    const click = this.far < CLICK;
    this.cancel();
    if (!points) return;
    const found = click ? pointAt(points, ...outline[0]) : pointsUnder(outline, points);
    if (!click || found.length) this.act.picked(operation, found, { operation, outline, ...points }); // a click that hits no point does nothing
  }
}
