/** The trials of the search for settings: the curves of their signals, and a list with what each tried and how it scored. */
import { h } from "../laf-lab.feed/dom.js";
import * as say from "./words.js";

const percent = (reading, key) => { const value = reading?.values?.[key]; return typeof value === "number" ? 100 * value : null; };

/** Return the charts of the trials' signals; a trial may be longer than the run. */
export function trialCharts(store) {
  const trials = store.scene?.trials ?? [];
  if (!trials.length) return [];
  const steps = Math.max(store.steps, ...trials.flatMap((trial) => trial.steps));
  const about = say.GREY_TRIALS_BLUE_THE_CHOSEN;
  const chart = (name, help, signal, line) => ({ name, help: `${help} ${about}`, signal, trials, steps, range: [0, 100], lines: [line] });
  return [
    chart(say.STILL_RECOGNISED, say.SHARE_OF_FORGOTTEN, "forget", ["forget_train", say.THE_RUN, "forget"]),
    chart("kept, %", say.SHARE_OF_REMAINING, "remain", ["remain_train", say.THE_RUN, "remain"]),
  ].map((one) => ({ ...one, value: percent }));
}

/** Return the list of the trials. */
export function trialList(store) {
  return (store.scene?.trials ?? []).map(({ number, chosen, settings, score, reason }) => h("div", { class: chosen ? "trial chosen" : "trial", title: reason },
    h("b", {}, chosen ? `${number} ✓` : String(number)), h("span", {}, settings),
    h("span", { title: say.DISTANCE_FROM_WHAT_RETRAINING_WOULD }, score === null ? say.MISSED_THE_AIM : say.score(score.toFixed(2)))));
}
