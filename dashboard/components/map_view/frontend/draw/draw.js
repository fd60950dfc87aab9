/** Drawing of one picture of the map view: ghosts, trails, points, piles, and the ring of the focused point. */
import { Dots } from "./dots.js";
import { drawContours } from "./contours.js";
import { drawPiles } from "./piles.js";
import { drawThumbs } from "./thumbs.js";

const MOST_TRAILS = 240;
const KNOTS = 14; // positions along one trail
const UNIT = 1 / 32767;
const TRAIL = 0.16; // opacity of one trail; overlapping trails add up

/** Draw the dashed outline of a forgotten class's original area. */
function drawGhosts(context, camera, theme, ghosts) {
  context.save();
  context.setLineDash([4, 4]);
  context.lineWidth = 1.2;
  context.strokeStyle = theme.original;
  context.fillStyle = theme.original;
  for (const ghost of ghosts) {
    const [x, y] = camera.toScreen(ghost.x, ghost.y);
    context.beginPath();
    context.ellipse(x, y, ghost.long * camera.scale + 6, ghost.short * camera.scale + 6, -ghost.angle, 0, 7);
    context.globalAlpha = 0.07;
    context.fill();
    context.globalAlpha = 0.9;
    context.stroke();
  }
  context.restore();
}

/** Return the points' positions in one frame on the chosen map; the original's positions until the frame has arrived. */
export function placed(store, seq) {
  return (store.view.map === "follow" && store.followAt(seq)) || store.frameAt(seq)?.position || store.scene.position;
}

/** Draw where all retrained models place the forgotten images, and faintly the remaining ones. */
export function drawCloud(context, { store, camera, theme, marks }) {
  const dots = (indices, size, strength) => {
    context.fillStyle = theme.retrained;
    context.globalAlpha = strength;
    for (const { position } of store.references) {
      for (const i of indices) {
        if (marks.alpha[i] < 0.11) continue;
        const [x, y] = camera.toScreen(position[2 * i] * UNIT, position[2 * i + 1] * UNIT);
        context.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
  };
  dots(marks.remaining, 1.6, 0.16);
  dots(marks.forgotten, 3, 0.5);
  context.globalAlpha = 1;
}

/** Return the frames through which trails pass: the first, the last, and some between. */
function knots(store) {
  const last = store.cursor;
  const count = Math.min(KNOTS, last);
  const list = [];
  for (let k = 0; k <= count; k++) {
    const seq = Math.round((k * last) / Math.max(1, count));
    list.push(placed(store, seq));
  }
  return list;
}

/** Draw the forgotten points' paths from the original to the shown frame, or to `xy`. */
export function drawTrails(context, { store, camera, theme, marks }, xy = null) {
  const every = Math.max(1, Math.ceil(marks.forgotten.length / MOST_TRAILS));
  const path = store.view.show === "now" ? knots(store) : [store.scene.position];
  context.strokeStyle = theme.forget;
  context.lineWidth = 1;
  context.lineJoin = "round";
  for (let k = 0; k < marks.forgotten.length; k += every) {
    const i = marks.forgotten[k];
    context.globalAlpha = TRAIL * Math.min(1, marks.alpha[i] * 1.4);
    context.beginPath();
    let [px, py] = camera.toScreen(path[0][2 * i] * UNIT, path[0][2 * i + 1] * UNIT);
    context.moveTo(px, py);
    for (let step = 1; step < path.length; step++) {
      const [x, y] = camera.toScreen(path[step][2 * i] * UNIT, path[step][2 * i + 1] * UNIT);
      context.quadraticCurveTo(px, py, (px + x) / 2, (py + y) / 2);
      [px, py] = [x, y];
    }
    if (xy) [px, py] = camera.toScreen(xy[2 * i], xy[2 * i + 1]);
    context.lineTo(px, py);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Draw the last part of the trails, from the last whole frame to the current positions; cheap enough for each picture. */
function drawTips(context, { store, camera, theme, marks, xy }) {
  if (store.view.show !== "now") return;
  const place = placed(store, store.cursor);
  const every = Math.max(1, Math.ceil(marks.forgotten.length / MOST_TRAILS));
  context.strokeStyle = theme.forget;
  context.lineWidth = 1;
  context.globalAlpha = TRAIL;
  context.beginPath();
  for (let k = 0; k < marks.forgotten.length; k += every) {
    const i = marks.forgotten[k];
    if (marks.alpha[i] < 0.11) continue;
    context.moveTo(...camera.toScreen(place[2 * i] * UNIT, place[2 * i + 1] * UNIT));
    context.lineTo(...camera.toScreen(xy[2 * i], xy[2 * i + 1]));
  }
  context.stroke();
  context.globalAlpha = 1;
}

const TURN = 2 * Math.PI;
const ROOM = 20; // px around the points for the largest dots

/** Draw a halo under picked points; a group's halo becomes its outline and leaves the colours visible. */
function drawPicked(context, { camera, marks, xy }) {
  context.fillStyle = marks.ring;
  for (const i of marks.picked) {
    const [x, y] = camera.toScreen(xy[2 * i], xy[2 * i + 1]);
    if (x < -9 || y < -9 || x > camera.width + 9 || y > camera.height + 9) continue;
    context.beginPath();
    context.arc(x, y, marks.large + 1.4, 0, TURN);
    context.fill();
  }
}

/** Draw remaining points as plain dots, forgotten ones on top with a rim, and a ring around points off the map. */
function drawPoints(context, { camera, theme, marks, xy }) {
  const { scale, originX, originY, width, height } = camera;
  const box = [width, height, 0, 0];
  for (let i = 0; i < xy.length; i += 2) {
    const [x, y] = [originX + xy[i] * scale, originY - xy[i + 1] * scale];
    if (x < box[0]) box[0] = x;
    if (y < box[1]) box[1] = y;
    if (x > box[2]) box[2] = x;
    if (y > box[3]) box[3] = y;
  }
  const dots = new Dots(context, [box[0] - ROOM, box[1] - ROOM, box[2] + ROOM, box[3] + ROOM]);
  const each = (indices, draw) => {
    for (const i of indices) draw(i, originX + xy[2 * i] * scale, originY - xy[2 * i + 1] * scale);
  };
  const [small, large, rim, far] = [dots.kind(marks.small), dots.kind(marks.large), dots.kind(marks.large, 1.3), dots.kind(marks.large + 1.8, 1.1)];
  each(marks.remaining, (i, x, y) => small(x, y, marks.colour[i], marks.alpha[i]));
  each(marks.forgotten, (i, x, y) => {
    large(x, y, marks.colour[i], marks.alpha[i]);
    rim(x, y, marks.rim, marks.alpha[i]);
  });
  for (const [indices, colour] of [[marks.remaining, theme.muted], [marks.forgotten, marks.lost]]) { // a ring in another colour would hide a pile's own
    each(indices, (i, x, y) => { if (marks.off[i]) far(x, y, colour, Math.min(0.75, marks.alpha[i] * 2)); });
  }
  dots.done();
}

/** Draw the fork's forgotten points as hollow diamonds, joined to those of the first run where they differ. */
function drawFork(context, { store, camera, theme, marks, xy }) {
  const at = store.forkSeq(store.cursor);
  const frame = at === null ? null : store.fork.frames[at];
  let place = frame?.position;
  if (store.view.map === "follow") { // follow maps arrive late, so the newest one is used
    place = null;
    for (let i = at; i >= store.fork?.shared && !place; i--) place = store.fork.follow[i];
  }
  if (!frame || !place || store.view.show !== "now") return;
  const size = marks.large + 0.8;
  context.strokeStyle = theme.fork;
  context.lineWidth = 1;
  const ways = new Path2D();
  const diamonds = new Path2D();
  for (const i of marks.forgotten) {
    if (marks.alpha[i] < 0.11) continue;
    const [x, y] = camera.toScreen(place[2 * i] * UNIT, place[2 * i + 1] * UNIT);
    diamonds.moveTo(x, y - size);
    diamonds.lineTo(x + size, y);
    diamonds.lineTo(x, y + size);
    diamonds.lineTo(x - size, y);
    diamonds.closePath();
    const [mine, yours] = camera.toScreen(xy[2 * i], xy[2 * i + 1]);
    if (Math.hypot(mine - x, yours - y) < 4 * size) continue;
    ways.moveTo(mine, yours);
    ways.lineTo(x, y);
  }
  context.globalAlpha = 0.14;
  context.stroke(ways);
  context.globalAlpha = 0.95;
  context.lineWidth = 1.4;
  context.stroke(diamonds);
  context.globalAlpha = 1;
}

function drawFocus(context, { camera, theme, xy, focus }) {
  if (focus === null) return;
  const [x, y] = camera.toScreen(xy[2 * focus], xy[2 * focus + 1]);
  context.lineWidth = 2;
  context.strokeStyle = theme.text;
  context.beginPath();
  context.arc(x, y, 8, 0, 7);
  context.stroke();
}

/**
 * Draw the whole picture.
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {object} stage {store, camera, theme, marks, xy, ghosts, names: boxes of the class names, focus, tiles, thumbs: points drawn as images | null, trails and cloud: canvas | null}
 */
export function drawStage(context, stage) {
  const { camera, theme } = stage;
  context.fillStyle = theme.panel;
  context.fillRect(0, 0, camera.width, camera.height);
  drawGhosts(context, camera, theme, stage.ghosts);
  if (stage.cloud) context.drawImage(stage.cloud, 0, 0, camera.width, camera.height);
  if (stage.trails) {
    context.drawImage(stage.trails, 0, 0, camera.width, camera.height);
    if (!stage.moving && stage.store.view.trails) drawTips(context, stage);
  }
  if (stage.thumbs) drawThumbs(context, stage, stage.tiles, stage.thumbs);
  else {
    drawPicked(context, stage);
    drawPoints(context, stage);
  }
  if (stage.store.view.density) drawContours(context, stage);
  if (stage.store.fork) drawFork(context, stage);
  drawPiles(context, stage);
  drawFocus(context, stage);
}
