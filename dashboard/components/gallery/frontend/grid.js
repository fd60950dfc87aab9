/** Positions of a grid's tiles, in pixels of the scrolled content. */

const SMALLEST = 46; // px, a tile with its gap
const GAP = 6;

export class Grid {
  constructor() { this.resize(300, 0); }

  resize(width, count) {
    this.count = count;
    this.columns = Math.max(1, Math.floor(width / SMALLEST));
    this.pitch = width / this.columns;
    this.side = this.pitch - GAP;
    this.rows = Math.ceil(count / this.columns);
    this.height = this.rows * this.pitch;
  }

  place(index) { return [(index % this.columns) * this.pitch + GAP / 2, Math.floor(index / this.columns) * this.pitch + GAP / 2]; }

  /** Return the tile at a position, or null; with `near` also beside the last tile of a row. */
  at(x, y, near = false) {
    const clamp = (value, most) => Math.max(0, Math.min(most, value));
    let [column, row] = [Math.floor(x / this.pitch), Math.floor(y / this.pitch)];
    if (near) [column, row] = [clamp(column, this.columns - 1), clamp(row, this.rows - 1)];
    const index = row * this.columns + column;
    if (near) return clamp(index, this.count - 1);
    return column >= 0 && column < this.columns && row >= 0 && index < this.count ? index : null;
  }

  /** Return the first and last (exclusive) tile between two heights. */
  seen(top, bottom) {
    const first = Math.max(0, Math.floor(top / this.pitch)) * this.columns;
    return [first, Math.min(this.count, Math.ceil(bottom / this.pitch) * this.columns)];
  }

  /** Return the tile that an arrow key leads to. */
  step(index, key) {
    const page = this.columns * 6;
    const way = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page }[key];
    if (key === "Home") return 0;
    if (key === "End") return this.count - 1;
    const next = index + way;
    if (next >= 0 && next < this.count) return next;
    return Math.abs(way) === page ? (way < 0 ? 0 : this.count - 1) : index;
  }
}
