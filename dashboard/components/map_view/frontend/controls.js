/** The map view's buttons: which model, which map, which colour, trails, fit. */
import { h, keepKeys } from "../laf-lab.feed/dom.js";
import * as say from "./words.js";

const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/**
 * Return a segmented radio group; arrow keys move the choice.
 * @param {string} label accessible name
 * @param {[string, string, string][]} options value, text, title
 */
export function segmented(label, options, choose) {
  const buttons = options.map(([value, text, title]) => h("button", {
    type: "button", role: "radio", "data-value": value, "data-text": text, title, onclick: () => choose(value),
  }, text));
  const group = h("div", { class: "segmented", role: "radiogroup", "aria-label": label }, ...buttons);
  keepKeys(group, [" ", "Enter", ...Object.keys(ARROWS)]);
  group.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    const open = buttons.filter((button) => !button.disabled && !button.hidden);
    const next = open[(open.indexOf(event.target) + way + open.length) % open.length];
    next.focus();
    choose(next.dataset.value);
  });
  const update = (chosen, disabled = {}, absent = []) => {
    for (const button of buttons) {
      const on = button.dataset.value === chosen;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
      const why = disabled[button.dataset.value];
      button.disabled = Boolean(why);
      button.hidden = absent.includes(button.dataset.value);
      button.title = why || options.find(([value]) => value === button.dataset.value)[2];
    }
  };
  return { group, update };
}

/** Return in words how well each retrained model fits the original's coordinates. */
export function fits(references) {
  const words = references.map(({ fit }, k) => `${k + 1}: ${typeof fit === "number" ? fit.toFixed(2) : "started from the original's initial weights"}`);
  return say.rotatedIntoTheOriginalCoordinates(words.join(", "));
}

/** Return the header of the map view and the control over the map. `act` gets {show}, {map}, {colour}, {cloud}, "trails" or "fit". */
export function controls(act) {
  const show = segmented(say.SHOW, [
    ["original", "original", say.THE_MODEL_BEFORE_UNLEARNING],
    ["now", "now", say.THE_MODEL_AT_THE_SHOWN],
    ["retrained", "retrained", say.MODEL_THAT_NEVER_SAW_THE],
  ], (value) => act({ show: value }));
  const map = segmented(say.MAP, [
    ["fixed", say.FIXED_MAP, say.WHERE_DOES_THE_ORIGINAL_MODEL],
    ["follow", "follow", say.WHICH_POINTS_ARE_NEIGHBOURS_NOW],
  ], (value) => act({ map: value }));
  const colour = segmented(say.COLOUR_BY, [
    ["forget", "forget", say.COLOUR_FORGOTTEN_OR_REMAINING],
    ["class", "class", say.COLOUR_THE_TRUE_CLASS],
    ["moved", "moved", say.COLOUR_ANGLE_BETWEEN_THE],
    ["prediction", "prediction", say.COLOUR_THE_ANSWER_OF_THE],
    ["confidence", "confidence", say.COLOUR_THE_SHOWN_MODEL_CONFIDENCE],
    ["client", "client", say.COLOUR_THE_CLIENT_WHO_HAS],
  ], (value) => act({ colour: value }));
  const cloud = segmented(say.RETRAINED, [
    ["one", "one", say.ON_THE_MAP_ONLY_THE],
    ["all", "all", ""],
  ], (value) => act({ cloud: value === "all", cloudChosen: true }));
  const over = h("div", { class: "over-map" }, h("span", {}, "retrained"), cloud.group);
  const trails = h("button", {
    type: "button", class: "toggle", title: say.THE_PATHS_OF_THE_FORGOTTEN, onclick: () => act("trails"),
  }, "trails");
  const fit = h("button", { type: "button", class: "toggle", title: say.SHOW_THE_WHOLE_MAP, onclick: () => act("fit") }, "fit");
  for (const button of [trails, fit]) keepKeys(button, [" ", "Enter"]);
  const header = h("header", {}, h("h2", {}, say.REPRESENTATIONS), show.group, map.group, colour.group, trails, fit);
  /** @param {{fit: ?number}[]} references retrained models that are ready */
  const tellCloud = (view, references, wanted, pick) => {
    const all = cloud.group.lastChild;
    const count = references.length;
    over.hidden = pick || wanted < 2;
    const text = count < wanted && count > 1 ? say.allOf(count, wanted) : say.allRetrained(count || wanted);
    if (all.textContent !== text) all.textContent = all.dataset.text = text;
    let why = "";
    if (view.map !== "fixed") why = say.THE_FIXED_MAP_ALONE_CAN;
    else if (count < 2) why = say.ofRetrainedSoFar(count, wanted);
    cloud.update(view.cloud && !why ? "all" : "one", why ? { all: why } : {});
    if (!why) all.title = say.whereEachOfRetrainedModels(count, fits(references));
  };
  /** @param {?string} why why there is no retrained model @param {object} scene */
  const update = (view, why, { stage, watch, clients }) => {
    const pick = stage === "pick";
    for (const one of [show.group, map.group, trails]) one.hidden = pick; // picking has one model and one map, and nothing moves
    map.group.hidden ||= Boolean(watch); // no server lays out a follow map
    show.update(view.show, why ? { retrained: why } : {});
    map.update(view.map);
    colour.update(view.colour, {}, [...(pick ? ["forget", "moved"] : []), ...(clients ? [] : ["client"])]);
    trails.setAttribute("aria-pressed", view.trails);
  };
  return { header, over, update, tellCloud };
}
