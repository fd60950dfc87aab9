/** Neighbours on the plane of the map, and how far a point turned beside them; both without the server. */

const CELL = 1366; // side of a cell of the grid, in units of the positions: 48 cells along the axis
const EDGE = 32767;

/** Insert candidate k into the nearest found so far, [squared distance, index], the nearest first; ties go to the lower index. */
function insert(found, count, distance, k) {
  if (found.length === count && distance >= found[count - 1][0]) return;
  let place = found.length;
  while (place > 0 && found[place - 1][0] > distance) place -= 1;
  found.splice(place, 0, [distance, k]);
  if (found.length > count) found.pop();
}

const squared = (xy, i, k) => (xy[2 * k] - xy[2 * i]) ** 2 + (xy[2 * k + 1] - xy[2 * i + 1]) ** 2;

/** Return the `count` points nearest to point i on a map, the nearest first. @param {ArrayLike<number>} xy flat positions */
export function nearestTo(xy, i, count) {
  const found = [];
  for (let k = 0; k < xy.length / 2; k++) if (k !== i) insert(found, count, squared(xy, i, k), k);
  return found.map(([, k]) => k);
}

/** Return the nearest neighbours of every point on a map as one flat list, `size` for a point; a grid keeps it quick. */
export function allNeighbours(xy, count) {
  const n = xy.length / 2;
  const size = Math.max(0, Math.min(count, n - 1));
  const cellOf = (value) => Math.floor((value + EDGE) / CELL);
  const columns = cellOf(EDGE) + 1;
  const cells = new Map();
  for (let i = 0; i < n; i++) {
    const key = cellOf(xy[2 * i + 1]) * columns + cellOf(xy[2 * i]);
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(i);
  }
  const list = new Uint32Array(n * size);
  for (let i = 0; i < n && size; i++) {
    const [column, row] = [cellOf(xy[2 * i]), cellOf(xy[2 * i + 1])];
    let found = [];
    for (let reach = 1; reach <= columns; reach++) {
      found = [];
      for (let y = Math.max(0, row - reach); y <= Math.min(columns - 1, row + reach); y++) {
        for (let x = Math.max(0, column - reach); x <= Math.min(columns - 1, column + reach); x++) {
          for (const k of cells.get(y * columns + x) ?? []) if (k !== i) insert(found, size, squared(xy, i, k), k);
        }
      }
      if (found.length === size && found[size - 1][0] <= (reach * CELL) ** 2) break; // no other cell holds a nearer point
    }
    for (let k = 0; k < size; k++) list[i * size + k] = found[k][1];
  }
  return { list, size };
}

/** Return the median of a few numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Return how far each point turned beyond the median of its neighbours, in degrees.
 * @param {ArrayLike<number>} angle by which each representation turned @param {{list, size}} near of `allNeighbours`
 */
export function beyondNeighbours(angle, { list, size }) {
  return Float32Array.from(angle, (own, i) => (size ? own - median(Array.from(list.subarray(i * size, (i + 1) * size), (k) => angle[k])) : 0));
}

/** Return the indices of the `count` largest values, the largest first, among those that `open` lets through. */
export function largest(values, count, open = () => true) {
  const indices = [];
  for (let i = 0; i < values.length; i++) if (open(i)) indices.push(i);
  return indices.sort((a, b) => values[b] - values[a] || a - b).slice(0, count);
}
