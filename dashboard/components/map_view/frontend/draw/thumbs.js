/** Points as small images, where few are in view. */

const [MOST, MOST_AGAIN] = [300, 340]; // points in view: images appear below the first number, and stay below the second
const NEAREST = 1.4; // zoom at which a map of few points shows them as images
const ROOM = 24; // px around the map
const FAINT = 0.33; // opacity below which a point is outside the isolated or the picked group

export class Thumbs {
  constructor() {
    this.on = false;
  }

  /** Return the points in view, or null while the map shows dots. */
  inView({ camera, marks, xy, store }, tiles) {
    const { scale, originX, originY, width, height } = camera;
    const most = this.on ? MOST_AGAIN : MOST;
    this.on = false;
    if (!store.view.images || !tiles.atlas || store.view.zoom < NEAREST) return null;
    const found = [];
    for (const i of marks.order) {
      const [x, y] = [originX + xy[2 * i] * scale, originY - xy[2 * i + 1] * scale];
      if (x < -ROOM || y < -ROOM || x > width + ROOM || y > height + ROOM) continue;
      found.push(i);
      if (found.length > most) return null;
    }
    this.on = true;
    return found;
  }
}

/** Return the side of an image on the map in whole pixels. */
export const sideOf = ({ view }) => Math.round(Math.min(36, 15 + 3 * view.zoom));

/** Draw these points as images in frames of their colours; forgotten ones come last, on top. Whole pixels and filled frames draw several times faster. */
export function drawThumbs(context, { camera, marks, xy, store }, tiles, points) {
  const side = sideOf(store);
  const chosen = new Set(marks.picked);
  const { scale, originX, originY } = camera;
  const forgottenStands = store.view.colour !== "forget";
  for (const i of points) {
    const [x, y] = [Math.round(originX + xy[2 * i] * scale - side / 2), Math.round(originY - xy[2 * i + 1] * scale - side / 2)];
    const frame = (width, colour) => {
      context.fillStyle = colour;
      context.fillRect(x - width, y - width, side + 2 * width, side + 2 * width);
    };
    context.globalAlpha = marks.alpha[i] < FAINT ? Math.max(0.15, marks.alpha[i]) : 1; // a faded image would be hard to see
    if (forgottenStands && store.scene.forget[i]) frame(5, marks.rim); // as dots have: forgotten images stay marked in every colouring
    if (chosen.has(i)) frame(4, marks.ring);
    else frame(2, marks.colour[i]);
    tiles.draw(context, i, x, y, side);
    if (!marks.off[i]) continue;
    context.setLineDash([3, 3]);
    context.lineWidth = 1.5;
    context.strokeStyle = marks.rim;
    context.strokeRect(x - 1, y - 1, side + 2, side + 2);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}
