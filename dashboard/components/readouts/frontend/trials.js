/** The trials of the search for settings: the curves of their signals, and a list with what each tried and how it scored. */
import { h } from "../laf-lab.feed/dom.js";

const percent = (reading, key) => { const value = reading?.values?.[key]; return typeof value === "number" ? 100 * value : null; };

/** Return the charts of the trials' signals; a trial may be longer than the run. */
export function trialCharts(store) {
  const trials = store.scene?.trials ?? [];
  if (!trials.length) return [];
  const steps = Math.max(store.steps, ...trials.flatMap((trial) => trial.steps));
  const about = "Grey: trials; blue: the chosen one; the signal reads no label.";
  const chart = (name, help, signal, line) => ({ name, help: `${help} ${about}`, signal, trials, steps, range: [0, 100], lines: [line] });
  return [
    chart("still recognised, %", "Share of the forgotten images that still get an answer to forget (a_f). Orange: the run, by labels.", "forget", ["forget_train", "the run", "forget"]),
    chart("kept, %", "Share of the remaining images that keep the original's answer (a_r). Colour of remaining images: the run, by labels.", "remain", ["remain_train", "the run", "remain"]),
  ].map((one) => ({ ...one, value: percent }));
}

/** Return the list of the trials. */
export function trialList(store) {
  return (store.scene?.trials ?? []).map(({ number, chosen, settings, score, reason }) => h("div", { class: chosen ? "trial chosen" : "trial", title: reason },
    h("b", {}, chosen ? `${number} ✓` : String(number)), h("span", {}, settings),
    h("span", { title: "distance from what retraining would give, as far as signals can tell; lower is better" }, score === null ? "missed the aim" : `score ${score.toFixed(2)}`)));
}
