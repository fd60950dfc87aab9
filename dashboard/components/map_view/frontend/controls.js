/** The map view's buttons: which model, which map, which colour, trails, fit. */
import { h, keepKeys } from "../laf-lab.feed/dom.js";

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
  return `Rotated into the original's coordinates; mean cosine on held-out remaining images: ${words.join(", ")}.`;
}

/** Return the header of the map view and the control over the map. `act` gets {show}, {map}, {colour}, {cloud}, "trails" or "fit". */
export function controls(act) {
  const show = segmented("Show", [
    ["original", "original", "the model before unlearning"],
    ["now", "now", "the model at the shown step"],
    ["retrained", "retrained", "a model that never saw the forgotten images"],
  ], (value) => act({ show: value }));
  const map = segmented("Map", [
    ["fixed", "fixed map", "Where does the original model's map place each image now?"],
    ["follow", "follow", "Which images are neighbours now? The map is computed again for each frame"],
  ], (value) => act({ map: value }));
  const colour = segmented("Colour by", [
    ["forget", "forget", "colour: forgotten or remaining"],
    ["class", "class", "colour: the true class"],
    ["moved", "moved", "colour: angle between the representation now and the original's, in degrees"],
    ["prediction", "prediction", "colour: the answer of the shown model"],
    ["confidence", "confidence", "colour: the shown model's confidence"],
    ["client", "client", "colour: the client who has the image"],
  ], (value) => act({ colour: value }));
  const cloud = segmented("Retrained", [
    ["one", "one", "on the map: only the retrained model chosen under “Show”"],
    ["all", "all", ""],
  ], (value) => act({ cloud: value === "all", cloudChosen: true }));
  const over = h("div", { class: "over-map" }, h("span", {}, "retrained"), cloud.group);
  const trails = h("button", {
    type: "button", class: "toggle", title: "the paths of the forgotten images", onclick: () => act("trails"),
  }, "trails");
  const fit = h("button", { type: "button", class: "toggle", title: "show the whole map (0)", onclick: () => act("fit") }, "fit");
  for (const button of [trails, fit]) keepKeys(button, [" ", "Enter"]);
  const header = h("header", {}, h("h2", {}, "Representations"), show.group, map.group, colour.group, trails, fit);
  /** @param {{fit: ?number}[]} references retrained models that are ready */
  const tellCloud = (view, references, wanted, pick) => {
    const all = cloud.group.lastChild;
    const count = references.length;
    over.hidden = pick || wanted < 2;
    const text = count < wanted && count > 1 ? `all ${count} of ${wanted}` : `all ${count || wanted}`;
    if (all.textContent !== text) all.textContent = all.dataset.text = text;
    let why = "";
    if (view.map !== "fixed") why = "the fixed map alone can show all retrained models together";
    else if (count < 2) why = `${count} of ${wanted} retrained so far`;
    cloud.update(view.cloud && !why ? "all" : "one", why ? { all: why } : {});
    if (!why) all.title = `where each of ${count} retrained models places the forgotten images, and faintly the remaining ones. ${fits(references)}`;
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
