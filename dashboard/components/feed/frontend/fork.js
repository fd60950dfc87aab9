/** The fork of a run: its frames, follow map and readings, numbered from the step where it left the first run. */

/** Return part `i` of `count` equal parts of an array: a copy, since a view would keep the whole packet in memory. */
export function part(array, i, count) {
  const size = array.length / count;
  return array.slice(i * size, (i + 1) * size);
}

/**
 * Add a packet's part of the fork to what is held.
 * @param {?object} held the fork so far
 * @returns {{fork: ?object, changed: boolean}}
 */
export function takeFork(held, header, arrays) {
  const news = header.fork ?? null;
  if (!news) return { fork: null, changed: held !== null };
  let changed = held?.id !== news.id;
  const fork = changed ? { frames: [], follow: [], readings: [] } : held;
  Object.assign(fork, news);
  header.fork_seqs.forEach((seq, i, { length }) => {
    if (fork.frames[seq]) return;
    fork.frames[seq] = { position: part(arrays.fork_position, i, length), prediction: part(arrays.fork_prediction, i, length) };
    changed = true;
  });
  (header.fork_follow_seqs ?? []).forEach((seq, i, { length }) => {
    if (fork.follow[seq]) return;
    fork.follow[seq] = part(arrays.fork_follow, i, length);
    changed = true;
  });
  for (const reading of header.fork_readings) {
    if (fork.readings[reading.seq]?.rev >= reading.rev) continue;
    fork.readings[reading.seq] = reading;
    changed = true;
  }
  return { fork, changed };
}
