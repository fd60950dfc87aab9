/** Lines around the densest parts of a group of points, which show where points hide each other. */

const CELL = 5; // px
const REACH = 2; // cells on each side of a box blur
const BLURS = 3; // box blurs in a row come near a normal distribution
const FEWEST = 20; // points of a group; fewer need no lines
export const SHARES = [0.25, 0.5, 0.75]; // of the group's points in view that lie within a line

// Segments of a line through a cell, as pairs of its edges (0 top, 1 right, 2 bottom, 3 left), by which corners are dense
const SEGMENTS = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

/** Average each line of `count` values, `step` apart, over its neighbours. */
function blurLine(from, to, start, count, step) {
  let sum = 0;
  const width = 2 * REACH + 1;
  for (let k = -REACH; k < count + REACH; k++) {
    if (k + REACH < count) sum += from[start + (k + REACH) * step] ?? 0;
    if (k - REACH - 1 >= 0) sum -= from[start + (k - REACH - 1) * step];
    if (k >= 0 && k < count) to[start + k * step] = sum / width;
  }
}

/**
 * Return the blurred number of points in each cell of a grid.
 * @param {number[][]} points [x, y] in px @returns {{values: Float32Array, columns: number, rows: number}}
 */
export function densityOf(points, width, height) {
  const [columns, rows] = [Math.ceil(width / CELL) + 1, Math.ceil(height / CELL) + 1];
  let values = new Float32Array(columns * rows);
  let other = new Float32Array(columns * rows);
  for (const [x, y] of points) {
    const [column, row] = [Math.round(x / CELL), Math.round(y / CELL)];
    if (column >= 0 && row >= 0 && column < columns && row < rows) values[row * columns + column] += 1;
  }
  for (let k = 0; k < BLURS; k++) {
    for (let row = 0; row < rows; row++) blurLine(values, other, row * columns, columns, 1);
    for (let column = 0; column < columns; column++) blurLine(other, values, column, rows, columns);
  }
  return { values, columns, rows };
}

/** Return for each share the density above which that share of the points lies. */
export function levelsOf({ values }, shares = SHARES) {
  const dense = values.filter((value) => value > 0).sort().reverse();
  const total = dense.reduce((sum, value) => sum + value, 0);
  const found = [];
  let sum = 0;
  for (const value of dense) {
    sum += value;
    while (found.length < shares.length && sum >= shares[found.length] * total) found.push(value);
  }
  return found;
}

/** Return the line at `level` as a path in px. */
function lineAt({ values, columns, rows }, level) {
  const path = new Path2D();
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      const corners = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]]; // clockwise from the top left
      const segments = SEGMENTS[corners.reduce((bits, value, k) => bits | ((value >= level) << k), 0)];
      const point = (edge) => {
        const [a, b] = [corners[edge], corners[(edge + 1) % 4]];
        const t = (level - a) / (b - a);
        const [x, y] = [[t, 0], [1, t], [1 - t, 1], [0, 1 - t]][edge];
        return [(column + x) * CELL, (row + y) * CELL];
      };
      for (const [from, to] of segments) {
        path.moveTo(...point(from));
        path.lineTo(...point(to));
      }
    }
  }
  return path;
}

/** Draw the lines of the forgotten and of the remaining points, each with a rim that sets it off from the dots. */
export function drawContours(context, { camera, theme, marks, xy }) {
  for (const [indices, colour] of [[marks.remaining, theme.remain], [marks.forgotten, theme.forget]]) {
    const points = [];
    for (const i of indices) if (marks.alpha[i] > 0.11) points.push(camera.toScreen(xy[2 * i], xy[2 * i + 1]));
    if (points.length < FEWEST) continue;
    const density = densityOf(points, camera.width, camera.height);
    for (const level of levelsOf(density)) {
      const path = lineAt(density, level);
      for (const [stroke, width] of [[theme.panel, 3.4], [colour, 1.5]]) {
        context.strokeStyle = stroke;
        context.lineWidth = width;
        context.stroke(path);
      }
    }
  }
}
