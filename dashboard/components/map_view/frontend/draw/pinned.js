/** The pinned point on the map: its path from the original to the shown frame, and rings around its nearest neighbours. */
import { placed } from "./draw.js";

const UNIT = 1 / 32767;

/** @param {object} stage as of `drawStage` @param {number} i the pinned point @param {[string, number[]][]} near its neighbours, [who, points] */
export function drawPinned(context, { store, camera, theme, xy }, i, near) {
  const colours = { before: theme.original, now: theme.accent, retrained: theme.retrained };
  context.save();
  context.lineJoin = "round";
  const end = camera.toScreen(xy[2 * i], xy[2 * i + 1]);
  if (store.view.show === "now") {
    const path = new Path2D();
    const [x0, y0] = camera.toScreen(store.scene.position[2 * i] * UNIT, store.scene.position[2 * i + 1] * UNIT);
    path.moveTo(x0, y0);
    for (let seq = 1; seq < store.cursor; seq++) {
      const at = placed(store, seq);
      path.lineTo(...camera.toScreen(at[2 * i] * UNIT, at[2 * i + 1] * UNIT));
    }
    path.lineTo(...end);
    for (const [width, colour] of [[4.5, theme.panel], [2, theme.text]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke(path);
    }
    context.fillStyle = theme.panel;
    context.beginPath();
    context.arc(x0, y0, 4.5, 0, 7);
    context.fill();
    context.stroke();
  }
  for (const [who, points] of near) {
    if (who === "retrained" && store.view.show !== "retrained") continue;
    context.strokeStyle = colours[who];
    context.lineWidth = 1.6;
    context.beginPath();
    for (const k of points) {
      const [x, y] = camera.toScreen(xy[2 * k], xy[2 * k + 1]);
      context.moveTo(x + 7.5, y);
      context.arc(x, y, who === "before" ? 9.5 : 7.5, 0, 7);
    }
    context.stroke();
  }
  for (const [width, colour] of [[6, theme.panel], [3, theme.text]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(...end, 11, 0, 7);
    context.stroke();
  }
  context.restore();
}
