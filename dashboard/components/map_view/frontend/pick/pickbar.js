/** The tools over the map, and the bar with the picked images and its buttons. */
import { h, keepKeys, setText } from "../../laf-lab.feed/dom.js";
import { segmented } from "../controls.js";
import { TOOLS } from "./lasso.js";
import * as say from "../words.js";

const MOST_CLASSES = 6;
const OPERATIONS = [
  ["replace", "new", say.WHAT_THE_OUTLINE_HOLDS_REPLACES],
  ["add", "add", say.ADDS_TO_WHAT_IS_PICKED],
  ["subtract", "subtract", say.TAKES_AWAY_FROM_WHAT_IS],
  ["intersect", "intersect", say.KEEPS_WHAT_IS_PICKED_ALREADY],
];

const plural = (count) => say.point(count.toLocaleString("en"), count === 1 ? "" : "s");

/** Return counts by class, "0: 12 · 3: 4", the most frequent first. */
function classes(scene, picks) {
  const counts = new Map();
  for (let i = 0; i < scene.n; i++) if (picks.ids.has(scene.ids[i])) counts.set(scene.label[i], (counts.get(scene.label[i]) ?? 0) + 1);
  const list = [...counts].sort((a, b) => b[1] - a[1]).map(([label, count]) => `${scene.classes[label]}: ${count}`);
  return list.slice(0, MOST_CLASSES).join(" · ") + (list.length > MOST_CLASSES ? " …" : "");
}

export class PickBar {
  /** @param {{tool: (name: string) => void, operation: (name: string) => void, act: (what: "forget" | "add" | "clear") => void}} on */
  constructor(on) {
    this.tool = segmented(say.TOOL, Object.entries(TOOLS).map(([name, [text, title]]) => [name, text, title]), on.tool);
    this.operation = segmented(say.PICKING, OPERATIONS, on.operation);
    this.tools = h("div", { class: "tools" }, this.tool.group, this.operation.group);
    const button = (text, title, what, kind) => {
      const made = h("button", { type: "button", class: kind, title, onclick: () => on.act(what) }, text);
      keepKeys(made, [" ", "Enter"]);
      return made;
    };
    this.count = h("b", {});
    this.classes = h("span", {});
    this.acts = [
      button(say.FORGET_THESE, say.START_NEW_RUN_THAT_FORGETS, "forget", "act first"),
      button(say.ADD_TO_FORGET_SET, say.ADD_THESE_POINTS_TO_THE, "add", "act"),
      button(say.CLEAR, say.PICK_NONE_ESCAPE, "clear", "act"),
    ];
    this.panel = h("div", { class: "picked", role: "status", hidden: true }, h("p", {}, this.count, this.classes), ...this.acts);
  }

  /** @param {object} state {scene, picks, tool, operation: the current one} */
  update({ scene, picks, tool, operation }) {
    const page = scene.stage === "pick";
    this.tool.update(tool);
    this.operation.update(operation);
    this.operation.group.hidden = page || tool === "pan"; // the page Forget set has its own control
    for (const [k, button] of this.acts.entries()) button.hidden = page || (scene.watch && k < 2); // a run that is only watched cannot get another forget set
    const shown = scene.ids.reduce((sum, id) => sum + picks.ids.has(id), 0);
    this.panel.classList.toggle("told", page);
    this.panel.hidden = page ? !picks.total || scene.n === scene.n_all : !shown;
    if (this.panel.hidden) return;
    if (page) {
      setText(this.count, say.ofThePicked(shown.toLocaleString("en"), picks.total.toLocaleString("en")));
      setText(this.classes, say.areAmongThePointsOn(scene.n.toLocaleString("en")));
    } else {
      setText(this.count, say.picked(plural(shown)));
      setText(this.classes, ` · ${classes(scene, picks)}`);
    }
  }
}
