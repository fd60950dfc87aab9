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

/** Return the side of an image on the map in pixels. */
export const sideOf = ({ view }) => Math.min(44, 15 + 3 * view.zoom);

/** Draw these points as images in frames of their colours; forgotten ones come last, on top. */
export function drawThumbs(context, { camera, marks, xy, store }, tiles, points) {
  const side = sideOf(store);
  const chosen = new Set(marks.picked);
  for (let k = 0; k < points.length; k++) {
    const i = points[k];
    const [x, y] = camera.toScreen(xy[2 * i], xy[2 * i + 1]);
    context.globalAlpha = marks.alpha[i] < FAINT ? Math.max(0.15, marks.alpha[i]) : 1; // a faded image would be hard to see
    tiles.draw(context, i, x - side / 2, y - side / 2, side);
    context.lineWidth = chosen.has(i) ? 4 : 2;
    context.strokeStyle = chosen.has(i) ? marks.ring : marks.colour[i];
    context.setLineDash(marks.off[i] ? [3, 3] : []);
    context.strokeRect(x - side / 2 - 1, y - side / 2 - 1, side + 2, side + 2);
    if (!store.scene.forget[i] || store.view.colour === "forget") continue;
    context.strokeStyle = marks.rim; // as dots have: forgotten images stay marked in every colouring
    context.strokeRect(x - side / 2 - 3.5, y - side / 2 - 3.5, side + 7, side + 7);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}
