/** The number of forgotten images in each pile, whose dots hide each other, written beside the pile. */
import { inside, piles } from "./marks.js";
import * as say from "../words.js";

const [ASIDE, HIGH] = [18, 20]; // px from a pile's middle to its number, and the height of a line

/** Return true where two boxes {left, right, y} touch. */
const touch = (a, b) => Math.abs(a.y - b.y) < HIGH && a.left < b.right && b.left < a.right;

/** Return a free place for a text of `width` px beside (x, y): right or left of it, or a line lower or higher. */
export function freePlace({ x, y }, width, taken, room) {
  const tries = [0, 1, -1, 2, -2, 3, -3].flatMap((line) => [x + ASIDE, x - ASIDE - width].map((left) => ({ left, right: left + width, y: y + line * HIGH })));
  const seen = tries.filter(({ left, right }) => left >= 2 && right <= room - 2);
  return seen.find((box) => !taken.some((other) => touch(box, other))) ?? seen[0] ?? tries[0];
}

/** Draw the numbers; none covers another, or a class's name in `stage.names`. */
export function drawPiles(context, { store, camera, theme, marks, xy, ghosts, names }) {
  if (store.view.show === "original" || (store.view.show === "now" && store.cursor < 1)) return;
  const all = marks.forgotten.length;
  const points = [];
  for (const i of marks.forgotten) {
    const [wx, wy] = [xy[2 * i], xy[2 * i + 1]];
    if (marks.alpha[i] > 0.11 && !ghosts.some((ghost) => inside(ghost, wx, wy))) points.push(camera.toScreen(wx, wy));
  }
  context.font = `600 11px ${theme.font}`;
  context.textBaseline = "middle";
  const taken = [...names];
  for (const pile of piles(points, { least: Math.max(10, Math.ceil(0.15 * all)) })) {
    const text = say.ofForgotten(pile.count, all);
    const width = context.measureText(text).width + 14;
    const { left, y, right } = freePlace(pile, width, taken, camera.width);
    taken.push({ left, right, y });
    context.fillStyle = theme.raised;
    context.strokeStyle = theme.forget;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(left, y - 9, width, 18, 9);
    context.globalAlpha = 0.92;
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
    context.fillStyle = theme.text;
    context.fillText(text, left + 7, y + 0.5);
  }
}
