/** The flow picture: from the class of each image to the shown model's answer. A ribbon selects its images on the map. */
import { h, keepKeys } from "../../laf-lab.feed/dom.js";
import { classColour } from "../../laf-lab.feed/theme.js";
import * as say from "../words.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 60; // ribbons in one picture
const [WIDTH, HEIGHT, MARGIN, BAR] = [400, 168, 70, 7]; // of a picture, in its own units
const WAYS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Return the flows {from, to, points} among some points, the largest first. */
export function flows(label, answer, points) {
  const found = new Map();
  for (const i of points) {
    const key = label[i] * 65536 + answer[i];
    if (!found.has(key)) found.set(key, { from: label[i], to: answer[i], points: [] });
    found.get(key).points.push(i);
  }
  return [...found.values()].sort((a, b) => b.points.length - a.points.length || a.from - b.from || a.to - b.to);
}

/** Return the bars of one side by class, {class: {y, height, count}}; bars leave a gap between them and fill `height`. */
export function bars(list, side, height) {
  const counts = new Map();
  for (const one of list) counts.set(one[side], (counts.get(one[side]) ?? 0) + one.points.length);
  const keys = [...counts.keys()].sort((a, b) => a - b);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const gap = Math.min(6, (0.3 * height) / Math.max(1, keys.length));
  const room = height - gap * (keys.length - 1);
  let y = 0;
  const placed = new Map();
  for (const key of keys) {
    const tall = (room * counts.get(key)) / total;
    placed.set(key, { y, height: tall, count: counts.get(key) });
    y += tall + gap;
  }
  return placed;
}

const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const many = (count) => say.point(count.toLocaleString("en"), count === 1 ? "" : "s");

export class Flow {
  /** @param {(operation: string, points: number[]) => void} pick selects points on the map @param {() => string} operation of a plain click */
  constructor(pick, operation) {
    this.pick = pick;
    this.operation = operation;
    this.element = h("div", { class: "flows" });
    keepKeys(this.element, [" ", "Enter", ...Object.keys(WAYS)]);
    this.key = "";
  }

  /** Draw both pictures again if an answer, the selection or the theme has changed. @param {ArrayLike<number>} answer of the shown model */
  update(store, theme, answer, who) {
    const { scene, picks } = store;
    const key = [who, theme.dark, picks.rev, picks.nonce, picks.ids.size, Array.prototype.join.call(answer)].join();
    if (key === this.key) return;
    this.key = key;
    const all = Array.from({ length: scene.n }, (_, i) => i);
    const forgotten = all.filter((i) => scene.forget[i]);
    const at = this.element.getRootNode().activeElement?.dataset.flow;
    const parts = [];
    if (forgotten.length) parts.push(this.#picture(store, theme, answer, forgotten, say.forgottenPoints(who)));
    parts.push(this.#picture(store, theme, answer, all, say.allPointsOnThisMap(who)));
    this.element.replaceChildren(...parts);
    if (at) this.element.querySelector(`[data-flow="${at}"]`)?.focus();
  }

  #picture({ scene, picks }, theme, answer, points, title) {
    const every = flows(scene.label, answer, points);
    const list = every.slice(0, MOST);
    const rest = every.slice(MOST).reduce((sum, one) => sum + one.points.length, 0);
    const [left, right] = [bars(list, "from", HEIGHT), bars(list, "to", HEIGHT)];
    const name = (k) => scene.classes[k] ?? "?";
    const colour = (k) => classColour(theme, k, scene.classes.length);
    const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": say.fromClassToAnswer(title) });
    const [used, taken] = [new Map(), new Map()];
    const ribbons = [...list].sort((a, b) => a.from - b.from || a.to - b.to).map((one) => {
      const [source, target] = [left.get(one.from), right.get(one.to)];
      const [a, b] = [(source.height * one.points.length) / source.count, (target.height * one.points.length) / target.count];
      const [y, y2] = [source.y + (used.get(one.from) ?? 0), target.y + (taken.get(one.to) ?? 0)];
      used.set(one.from, (used.get(one.from) ?? 0) + a);
      taken.set(one.to, (taken.get(one.to) ?? 0) + b);
      return this.#ribbon(one, { y, y2, a, b }, colour(one.from), say.classAnswer(name(one.from), name(one.to), many(one.points.length)),
        one.points.every((i) => picks.ids.has(scene.ids[i])));
    });
    ribbons[0]?.setAttribute("tabindex", "0");
    root.append(...ribbons);
    for (const [side, x, anchor, text] of [[left, MARGIN - BAR, "end", MARGIN - BAR - 5], [right, WIDTH - MARGIN, "start", WIDTH - MARGIN + BAR + 5]]) {
      for (const [k, { y, height, count }] of side) {
        root.append(svg("rect", { x, y, width: BAR, height: Math.max(1, height), fill: colour(k), rx: 2 }));
        if (height > 5 || side.size < 12) root.append(svg("text", { x: text, y: y + height / 2 + 4, "text-anchor": anchor }, `${name(k).slice(0, 9)} · ${count}`));
      }
    }
    return h("figure", {}, h("figcaption", {}, title, rest ? say.withoutInSmallerFlows(many(rest)) : ""), root);
  }

  #ribbon(one, { y, y2, a, b }, fill, text, picked) {
    const [x, x2, middle] = [MARGIN, WIDTH - MARGIN, WIDTH / 2];
    const path = svg("path", {
      d: `M${x} ${y}C${middle} ${y} ${middle} ${y2} ${x2} ${y2}V${y2 + b}C${middle} ${y2 + b} ${middle} ${y + a} ${x} ${y + a}Z`,
      fill, role: "button", tabindex: "-1", "aria-label": say.selectsThemOnTheMap(text), "aria-pressed": picked, "data-flow": `${one.from}-${one.to}`,
    }, svg("title", {}, say.clickSelectsThemOnThe(text)));
    const choose = (event) => {
      const less = event.altKey || event.ctrlKey || event.metaKey;
      this.pick(event.shiftKey ? "add" : less ? "subtract" : this.operation(), one.points);
    };
    path.addEventListener("click", choose);
    path.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") choose(event);
      else if (WAYS[event.key]) {
        const ribbons = [...path.parentNode.querySelectorAll("path")];
        ribbons[(ribbons.indexOf(path) + WAYS[event.key] + ribbons.length) % ribbons.length].focus();
      } else return;
      event.preventDefault();
    });
    return path;
  }
}
