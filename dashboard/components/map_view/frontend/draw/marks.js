/** Facts computed from the scene: class positions, the forgotten classes' outlines, and piles of points. */

const UNIT = 1 / 32767;
const MOST_GHOSTS = 3;
const FEWEST_FOR_GHOST = 5;

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

/** Return the points of each class as a list of index lists. */
export function byClass(scene) {
  const groups = scene.classes.map(() => []);
  for (let i = 0; i < scene.n; i++) groups[scene.label[i]]?.push(i);
  return groups;
}

/** Return middle and top of a group of points in map units; `xy` may be raw int16 with unit. */
export function anchor(indices, xy, unit = 1) {
  const xs = indices.map((i) => xy[2 * i] * unit).sort((a, b) => a - b);
  const ys = indices.map((i) => xy[2 * i + 1] * unit).sort((a, b) => a - b);
  const [low, middle, high] = [0.15, 0.5, 0.88].map((share) => quantile(ys, share));
  return { x: quantile(xs, 0.5), y: Math.min(high, middle + 1.5 * (middle - low) + 0.02) };
}

/** Return the covariance ellipse (two standard deviations, without outliers) of points on the original's map. */
function ellipse(indices, position) {
  let kept = indices;
  let fit = null;
  for (let round = 0; round < 3; round++) {
    const n = kept.length;
    const [mx, my] = [0, 1].map((axis) => kept.reduce((sum, i) => sum + position[2 * i + axis], 0) / n);
    let [xx, yy, xy] = [1, 1, 0];
    for (const i of kept) {
      const [dx, dy] = [position[2 * i] - mx, position[2 * i + 1] - my];
      xx += (dx * dx) / n;
      yy += (dy * dy) / n;
      xy += (dx * dy) / n;
    }
    const [half, root] = [(xx + yy) / 2, Math.hypot((xx - yy) / 2, xy)];
    fit = {
      x: mx * UNIT, y: my * UNIT, angle: Math.atan2(2 * xy, xx - yy) / 2,
      long: 2.3 * Math.sqrt(half + root) * UNIT, short: 2.3 * Math.sqrt(Math.max(1, half - root)) * UNIT,
    };
    const det = Math.max(1, xx * yy - xy * xy);
    const near = kept.filter((i) => {
      const [dx, dy] = [position[2 * i] - mx, position[2 * i + 1] - my];
      return (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / det < 7.5;
    });
    if (near.length < FEWEST_FOR_GHOST || near.length === n) break;
    kept = near;
  }
  return fit;
}

/** Return an ellipse for each forgotten class; none when the forgotten images are spread over many classes. */
export function ghosts(scene) {
  const groups = scene.classes.map(() => []);
  for (let i = 0; i < scene.n; i++) if (scene.forget[i]) groups[scene.label[i]]?.push(i);
  const found = groups.map((indices, label) => ({ label, indices })).filter(({ indices }) => indices.length >= FEWEST_FOR_GHOST);
  if (found.length > MOST_GHOSTS) return [];
  return found.map(({ label, indices }) => ({ label, ...ellipse(indices, scene.position) }));
}

/** Return true for a position in map units inside a ghost. */
export function inside(ghost, x, y) {
  const [dx, dy] = [x - ghost.x, y - ghost.y];
  const along = dx * Math.cos(ghost.angle) + dy * Math.sin(ghost.angle);
  const across = dy * Math.cos(ghost.angle) - dx * Math.sin(ghost.angle);
  return (along / ghost.long) ** 2 + (across / ghost.short) ** 2 < 1.2;
}

/**
 * Return the largest piles of overlapping points on the screen.
 * @param {number[][]} points [x, y] in pixels
 * @returns {{x: number, y: number, count: number}[]} at most three
 */
export function piles(points, { radius = 13, least = 10, most = 3 } = {}) {
  let rest = points;
  const found = [];
  while (found.length < most && rest.length >= least) {
    const cells = new Map();
    for (const point of rest) {
      const key = `${Math.floor(point[0] / radius)},${Math.floor(point[1] / radius)}`;
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(point);
    }
    let best = [];
    for (const cell of cells.values()) if (cell.length > best.length) best = cell;
    const [x, y] = [0, 1].map((axis) => best.reduce((sum, point) => sum + point[axis], 0) / best.length);
    const outside = rest.filter((point) => Math.hypot(point[0] - x, point[1] - y) > radius);
    const count = rest.length - outside.length;
    if (count < least) break;
    found.push({ x, y, count });
    rest = outside;
  }
  return found;
}
