/**
 * Dots written straight into a canvas's pixels. The canvas is one that lies in ordinary memory (fitCanvas), where each filled arc costs 2 to 4 µs:
 * ten thousand of them drew 25 pictures a second (benchmarks/theatre.py).
 */
import { rgb } from "../laf-lab.feed/theme.js";

const PARTS = 4; // places within a pixel where a dot's middle may lie, along each axis
const shapes = new Map(); // how much of each pixel a shape covers, by its radii and place

/** Coverage 0…256 of the pixels around a disc, or of a ring of some width, whose middle lies at (px, py) / PARTS within its pixel. */
function shape(radius, width, px, py) {
  const key = `${radius},${width},${px},${py}`;
  let found = shapes.get(key);
  if (!found) {
    if (shapes.size > 2000) shapes.clear(); // another zoom, other radii
    const reach = Math.ceil(radius + width / 2 + 0.5);
    const size = 2 * reach + 1;
    const cover = new Uint16Array(size * size);
    const [mx, my] = [reach + (px + 0.5) / PARTS, reach + (py + 0.5) / PARTS];
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const away = Math.hypot(x + 0.5 - mx, y + 0.5 - my);
        const edge = width ? width / 2 - Math.abs(away - radius) : radius - away;
        cover[y * size + x] = Math.round(256 * Math.min(1, Math.max(0, edge + 0.5)));
      }
    }
    found = { reach, size, cover };
    shapes.set(key, found);
  }
  return found;
}

export class Dots {
  /** @param {CanvasRenderingContext2D} context of an opaque canvas; nothing else may draw on it until `done` */
  constructor(context) {
    this.context = context;
    const { width, height } = context.canvas;
    this.ratio = context.getTransform().a;
    this.image = context.getImageData(0, 0, width, height);
    this.colours = new Map();
  }

  /** The three numbers of a CSS colour. */
  #numbers(colour) {
    let found = this.colours.get(colour);
    if (!found) {
      this.context.fillStyle = colour; // the canvas understands every notation and says it as #rrggbb
      found = rgb(this.context.fillStyle) ?? [0, 0, 0];
      this.colours.set(colour, found);
    }
    return found;
  }

  /** A disc, or with a width a ring, in CSS pixels. */
  stamp(x, y, radius, colour, alpha, width = 0) {
    const { ratio, image: { data, width: columns, height: rows } } = this;
    const [atX, atY] = [x * ratio, y * ratio];
    const [left, top] = [Math.floor(atX), Math.floor(atY)];
    const { reach, size, cover } = shape(radius * ratio, width * ratio, Math.floor((atX - left) * PARTS), Math.floor((atY - top) * PARTS));
    const [x0, y0] = [left - reach, top - reach];
    const [fromX, toX] = [Math.max(0, -x0), Math.min(size, columns - x0)];
    const [fromY, toY] = [Math.max(0, -y0), Math.min(size, rows - y0)];
    const [r, g, b] = this.#numbers(colour);
    for (let v = fromY; v < toY; v++) {
      let at = 4 * ((y0 + v) * columns + x0 + fromX);
      for (let k = v * size + fromX, end = v * size + toX; k < end; k++, at += 4) {
        const share = cover[k] * alpha;
        if (share === 0) continue;
        data[at] += ((r - data[at]) * share) / 256;
        data[at + 1] += ((g - data[at + 1]) * share) / 256;
        data[at + 2] += ((b - data[at + 2]) * share) / 256;
      }
    }
  }

  done() { this.context.putImageData(this.image, 0, 0); }
}
