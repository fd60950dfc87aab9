/** The outcome of a run: its verdict, the step at which LAF stopped, the step nearest to retraining, and the trials before it. */
import * as say from "./words.js";

/** Take the outcome from a packet's header. */
export function takeOutcome(store, header) {
  store.verdict = header.verdict ?? null; // {step, head, more, tone}; null until every retrained model is there
  store.nearest = header.nearest ?? null; // {step, js}, seen with retrained models
  store.stopAt = header.stop ?? null; // {step, text}
}

/** Show all retrained models once, with the verdict, unless the user has chosen already. */
export function showAllRetrained(store) {
  if (!store.verdict || store.references.length < 2 || store.view.cloudChosen) return;
  store.setView({ cloud: true, cloudChosen: true });
}

/** Return the sentence about the shown step: the verdict at the run's end, otherwise what the model does there. */
export function sentenceOf(store) {
  const { reading, verdict } = store;
  return verdict && reading?.step === verdict.step ? verdict : reading?.sentence;
}

/** Return what running past LAF's own stop cost, up to the shown step; "" before the stop. */
export function costOfGoingOn(store) {
  const { reading, stopAt } = store;
  if (!stopAt || !reading || reading.step <= stopAt.step) return "";
  const before = store.readings.findLast((one) => one && one.step <= stopAt.step);
  const changes = store.rows.filter(({ key }) => ["js", "remain_test", "test"].includes(key)).map((row) => {
    const [was, now] = [before?.values?.[row.key], reading.values[row.key]];
    if (typeof was !== "number" || typeof now !== "number") return null;
    const shown = (value) => (row.unit === "%" ? `${(100 * value).toFixed(row.digits)} %` : value.toFixed(row.digits));
    return `${row.label} ${shown(was)} → ${shown(now)}`;
  }).filter(Boolean);
  const steps = reading.step - stopAt.step;
  return say.stepPastLafStopAt(steps, steps === 1 ? "" : "s", stopAt.step, changes.length ? `: ${changes.join(", ")}` : "");
}
