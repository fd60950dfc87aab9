/** The loss balance of all requests of a chain, one after another on one axis of steps. */
import * as say from "./words.js";

/**
 * Return what the charts draw: the readings of all requests, each moved to where its request begins.
 * It answers as a store of one run does, so that the same code draws both.
 * @param {{number: number, forget: string, open: boolean, steps: number, readings: {step: number, loss: object}[]}[]} requests
 *   in their order; the open one has its readings in `store`
 */
export function joined(store, requests) {
  const readings = [];
  const parts = [];
  let begin = 0;
  for (const request of requests) {
    const steps = request.open ? store.steps : request.steps;
    const own = request.open ? store.readings.filter((reading) => reading?.loss) : request.readings;
    parts.push({ ...request, begin, end: begin + steps });
    readings.push({ step: begin, loss: null }); // lifts the pen between two requests
    for (const { step, loss } of own) readings.push({ step: begin + step, loss });
    begin += steps;
  }
  const opened = parts.find(({ open }) => open);
  const nearest = (step) => {
    let best = null;
    readings.forEach((reading, k) => { if (reading.loss && (best === null || Math.abs(reading.step - step) < Math.abs(readings[best].step - step))) best = k; });
    return best;
  };
  return {
    readings, parts, steps: Math.max(1, begin), fork: null, changes: [], alarms: [], newest: readings.length - 1,
    /** Return the number of the reading beside the frame that `store` shows; null before its first step. */
    atFrame: () => (opened && store.newest > 0 && store.stepOf(store.cursor) > 0 ? nearest(opened.begin + store.stepOf(store.cursor)) : null),
    readingAt: (k) => readings[k] ?? null,
    seqAtStep: nearest,
    /** Return the frame of the open request at a reading; null in another request. */
    frameOf: (k) => {
      const step = readings[k]?.step;
      return opened && step > opened.begin && step <= opened.end ? store.seqAtStep(step - opened.begin) : null;
    },
    /** Return in words which step of which request a reading is. */
    told: (k) => {
      const { step } = readings[k];
      const part = parts.find(({ begin: from, end }) => step > from && step <= end);
      return say.stepOfRequest(part.number, step - part.begin, part.forget);
    },
  };
}
