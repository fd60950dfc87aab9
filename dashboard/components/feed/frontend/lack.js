/** Finds what a run's store still lacks of what the server has sent (docs/wire.md, "Feed"). */

/** Return the number of the first missing frame from `from` on, or null. `has` says whether frame i is there. */
function firstGap(from, to, has) {
  for (let i = from; i < to; i++) if (!has(i)) return i;
  return null;
}

/** Return the oldest revision of a store's readings, its fork's and its retrained models'. */
function oldestRev(store) {
  let { rev } = store;
  for (const reading of store.readings) if (reading && reading.rev < rev) rev = reading.rev;
  if ((store.retrained?.rev ?? 0) < store.retrainedRev) rev = 0;
  for (const reading of store.fork?.readings ?? []) if (reading && reading.rev < rev) rev = reading.rev;
  return rev;
}

/** Return what the server should send again, or null. `from`, `follow`, `fork` and `fork_follow` are the first missing frames. */
export function lackOf(store) {
  const { total } = store;
  const from = firstGap(0, total, (i) => store.frames[i] && store.readings[i]) ?? total;
  const follow = firstGap(0, total, (i) => store.follow[i]) ?? total;
  const forked = store.fork ?? { shared: 0, total: 0, follow: [] };
  const fork = firstGap(forked.shared, forked.total, (i) => forked.frames[i] && forked.readings[i]);
  // a missing follow frame is requested only while the follow map is shown, and only before an arrived one: it may not be computed yet
  const follows = store.view.map === "follow";
  const hole = follows && follow < store.follow.length;
  const forkFollow = follows ? firstGap(forked.shared, forked.follow.length, (i) => forked.follow[i]) : null;
  const rev = oldestRev(store);
  const lacks = from < total || rev < store.rev || hole || fork !== null || forkFollow !== null;
  return lacks ? { life: store.life, from, rev, follow, fork, fork_follow: forkFollow } : null;
}
