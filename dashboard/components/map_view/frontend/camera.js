/** The position of the map on the canvas: equal axes, y up, drag to pan, wheel to zoom around the pointer. */

const [NEAREST, FARTHEST] = [40, 0.4];
const MARGIN = 45; // px beside the points
const LOW = 340; // px; a lower map, as above an open drawer on a phone, leaves less room beside its points
const [TOOLS, ROW, ROOM] = [80, 74, 500]; // px: the tools, which must cover no point, are a column of this width, or rows of this height on a map narrower than ROOM

export class Camera {
  /** @param {object} view {zoom, x, y}, kept in the store across page changes */
  constructor(view) {
    this.view = view;
    this.box = { x: 0, y: 0, width: 2, height: 2 };
    this.resize(100, 100);
  }

  /** Set the part of the map that fills the canvas at zoom 1: the original's points. */
  frame(positions) {
    let [left, right, bottom, top] = [1, -1, 1, -1];
    for (let i = 0; i < positions.length; i += 2) {
      const [x, y] = [positions[i] / 32767, positions[i + 1] / 32767];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < bottom) bottom = y;
      if (y > top) top = y;
    }
    this.box = { x: (left + right) / 2, y: (bottom + top) / 2, width: right - left, height: top - bottom };
    this.resize(this.width, this.height);
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    const [tools, row] = width < ROOM ? [0, ROW] : [TOOLS, 0];
    const beside = height < LOW ? 50 : 84; // px above and below the points
    this.base = Math.max(1, Math.min((width - 2 * MARGIN - tools) / this.box.width, (height - beside - row) / this.box.height));
    this.below = row / 2;
    const left = (width - this.box.width * this.base) / 2;
    this.aside = Math.max(0, Math.min(tools / 2, MARGIN + tools - left));
  }

  get scale() { return this.base * this.view.zoom; }
  get originX() { return this.width / 2 + this.aside - (this.box.x + this.view.x) * this.scale; }
  get originY() { return this.height / 2 + 8 + this.below + (this.box.y + this.view.y) * this.scale; }

  toScreen(x, y) { return [this.originX + x * this.scale, this.originY - y * this.scale]; }

  /** Move the picture by pixels. */
  pan(dx, dy) {
    this.view.x -= dx / this.scale;
    this.view.y += dy / this.scale;
  }

  /** Zoom around a pixel. */
  zoomAt(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = [(px - this.originX) / this.scale, (this.originY - py) / this.scale];
    this.view.zoom = Math.min(NEAREST, Math.max(FARTHEST, this.view.zoom * factor));
    const [nx, ny] = this.toScreen(x, y);
    this.pan(px - nx, py - ny);
  }

  fit() { Object.assign(this.view, { zoom: 1, x: 0, y: 0 }); }

  get key() { return `${this.width},${this.height},${this.view.zoom},${this.view.x},${this.view.y}`; }
}
