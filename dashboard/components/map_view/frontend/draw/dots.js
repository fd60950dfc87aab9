/**
 * Dots written straight into a canvas's pixels. The canvas is in ordinary memory (fitCanvas), where each filled arc costs 2 to 4 µs,
 * which is too slow for ten thousand points (benchmarks/map_view.py).
 */
import { rgb } from "../../laf-lab.feed/theme.js";

const PARTS = 4; // positions of a dot's centre within a pixel, along each axis
const stamps = new Map(); // by size and stride

/**
 * Return a disc, or with a width a ring: the pixels it covers and the share of each (0…256), for each position of its centre within a pixel.
 * @returns {{reach: number, places: {at: Int32Array, cover: Uint16Array, dx: Int8Array, dy: Int8Array}[]}} `at`: offsets in pixels from the centre's pixel
 */
function stampOf(radius, width, stride) {
  const key = `${radius},${width},${stride}`;
  let found = stamps.get(key);
  if (found) return found;
  if (stamps.size > 60) stamps.clear(); // another zoom needs other sizes
  const reach = Math.ceil(radius + width / 2 + 0.5) + 1;
  const places = Array.from({ length: PARTS * PARTS }, (_, place) => {
    const middle = [((place % PARTS) + 0.5) / PARTS, (Math.floor(place / PARTS) + 0.5) / PARTS];
    const [at, cover, dx, dy] = [[], [], [], []];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const away = Math.hypot(x + 0.5 - middle[0], y + 0.5 - middle[1]);
        const inside = width ? width / 2 - Math.abs(away - radius) : radius - away;
        const share = Math.round(256 * Math.min(1, Math.max(0, inside + 0.5)));
        if (!share) continue;
        at.push(y * stride + x);
        cover.push(share);
        dx.push(x);
        dy.push(y);
      }
    }
    return { at: Int32Array.from(at), cover: Uint16Array.from(cover), dx: Int8Array.from(dx), dy: Int8Array.from(dy) };
  });
  found = { reach, places };
  stamps.set(key, found);
  return found;
}

export class Dots {
  /**
   * No other code may draw on the canvas until `done`.
   * @param {CanvasRenderingContext2D} context of an opaque canvas
   * @param {number[]} box left, top, right and bottom of the area for dots, in CSS pixels
   */
  constructor(context, [left, top, right, bottom]) {
    this.context = context;
    const { width, height } = context.canvas;
    this.ratio = context.getTransform().a;
    const within = (value, most) => Math.min(most, Math.max(0, Math.round(value * this.ratio)));
    [this.left, this.top] = [within(left, width), within(top, height)];
    this.columns = within(right, width) - this.left;
    this.rows = within(bottom, height) - this.top;
    this.empty = this.columns <= 0 || this.rows <= 0;
    if (this.empty) return;
    this.image = context.getImageData(this.left, this.top, this.columns, this.rows);
    this.pixels = new Uint32Array(this.image.data.buffer); // red in the lowest byte, opaque
    this.colours = new Map();
  }

  /** Return a CSS colour as a pixel of the image. */
  #pixel(colour) {
    let found = this.colours.get(colour);
    if (found === undefined) {
      this.context.fillStyle = colour; // the canvas converts every notation to #rrggbb
      const [r, g, b] = rgb(this.context.fillStyle) ?? [0, 0, 0];
      found = (b << 16) | (g << 8) | r;
      this.colours.set(colour, found);
    }
    return found;
  }

  /** Return a function that draws one kind of dot: a disc of this radius, or with a width a ring, in CSS pixels. @returns {(x, y, colour, alpha) => void} */
  kind(radius, width = 0) {
    if (this.empty) return () => {};
    const { ratio, left, top, columns, rows, pixels } = this;
    const { reach, places } = stampOf(radius * ratio, width * ratio, columns);
    let [known, pixel] = [null, 0];
    return (x, y, colour, alpha) => {
      const [fineX, fineY] = [Math.round((x * ratio - left) * PARTS), Math.round((y * ratio - top) * PARTS)];
      const [column, row] = [Math.floor(fineX / PARTS), Math.floor(fineY / PARTS)];
      if (column < -reach || row < -reach || column >= columns + reach || row >= rows + reach) return;
      const cut = column < reach || row < reach || column >= columns - reach || row >= rows - reach; // near the edge of the canvas
      const { at, cover, dx, dy } = places[(fineY - row * PARTS) * PARTS + fineX - column * PARTS];
      if (colour !== known) [known, pixel] = [colour, this.#pixel(colour)];
      const [redBlue, green] = [pixel & 0xff00ff, pixel & 0xff00]; // two channels in one multiplication
      const strength = Math.round(alpha * 256);
      const start = row * columns + column;
      for (let k = 0; k < at.length; k++) {
        if (cut && (column + dx[k] < 0 || column + dx[k] >= columns || row + dy[k] < 0 || row + dy[k] >= rows)) continue;
        const share = (cover[k] * strength) >> 8;
        const rest = 256 - share;
        const old = pixels[start + at[k]];
        const both = Math.imul(old & 0xff00ff, rest) + Math.imul(redBlue, share);
        const one = Math.imul(old & 0xff00, rest) + Math.imul(green, share);
        pixels[start + at[k]] = 0xff000000 | ((both >>> 8) & 0xff00ff) | ((one >>> 8) & 0xff00);
      }
    };
  }

  done() {
    if (!this.empty) this.context.putImageData(this.image, this.left, this.top);
  }
}
