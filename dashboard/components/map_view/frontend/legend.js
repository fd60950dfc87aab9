/** The legend under the map, the sentence that explains the map, and the class names on it. */
import { h, keepKeys, setText } from "../laf-lab.feed/dom.js";
import { classColour } from "../laf-lab.feed/theme.js";
import { fits } from "./controls.js";
import { anchor } from "./draw/marks.js";
import { hasTrials } from "./draw/trials.js";
import * as say from "./words.js";

const MAPS = {
  fixed: [say.FIXED_MAP_WHERE_WOULD_THE,
    say.THE_MAP_IS_COMPUTED_ONCE
    + say.REPRESENTATIONS_BY_ANGLE_RING_AND],
  follow: [say.FOLLOW_WHICH_POINTS_ARE_NEIGHBOURS,
    say.THE_MAP_IS_COMPUTED_AGAIN
    + say.WHICH_POINTS_THE_MODEL_NOW],
};

/** Return a share of the map in words: "0.6 %", "under 0.01 %". */
function share(value) {
  const percent = value * 100;
  return percent < 0.01 ? "under 0.01 %" : `${percent.toPrecision(percent < 1 ? 1 : 2)} %`;
}

/** Return what the shown map answers, and how far an unmoved point seems to move on it. */
export function modeText(store) {
  const { map } = store.view;
  const noise = store.noise?.[map];
  const [short, long] = MAPS[map];
  const floor = typeof noise === "number" ? say.measurementNoiseOfTheMap(share(noise)) : say.MEASUREMENT_NOISE_NOT_KNOWN_YET;
  let missing = "";
  if (map === "follow" && store.view.show === "now" && store.total > 0 && store.followHeld < store.total) {
    missing = store.followHeld ? say.followMapOf(store.followHeld, store.total) : say.followMapOfTheFixed(store.total);
  }
  return { short, floor, missing, long: say.onItAnUnmovedPoint(long, floor) };
}

/** Return the middle of a name that lies beside the boxes instead of under them. */
export function beside(boxes, x, y, width) {
  for (const box of boxes) {
    if (x + width / 2 < box.left || x - width / 2 > box.right || y + 10 < box.top || y - 10 > box.bottom) continue;
    return box.left < 60 ? box.right + width / 2 + 4 : box.left - width / 2 - 4; // into the map, not out of it
  }
  return x;
}

/** Return the indices of the picked points on the map, or null where none is picked. */
function picksIn({ scene, picks }) {
  if (!picks.ids.size || scene.stage === "pick") return null;
  const held = Array.from(scene.ids.keys()).filter((i) => picks.ids.has(scene.ids[i]));
  return held.length ? held : null;
}

export class Legend {
  /** @param {(what: string) => void} isolate toggles the isolated group @param {() => void} trials shows or hides the trials */
  constructor(isolate, trials) {
    this.isolate = isolate;
    this.trials = trials;
    this.entries = h("div", { class: "entries", role: "group", "aria-label": say.LEGEND_CHOOSE_WHAT_TO_ISOLATE });
    this.question = h("span", { class: "question" });
    this.missing = h("span", { class: "missing" });
    this.floor = h("span", { class: "floor" });
    this.mode = h("p", { class: "mode", tabindex: "0" }, this.missing, this.question, " · ", this.floor);
    this.element = h("footer", {}, this.entries, this.mode);
    keepKeys(this.element, [" ", "Enter"]);
  }

  #button(what, text, colour, className = "dot", words = [text]) {
    const swatch = h("i", { class: className, "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", colour);
    return h("button", { type: "button", "data-isolate": what, title: say.showOnly(text), onclick: () => this.isolate(what) }, swatch, h("span", {}, ...words));
  }

  #ramp(theme, low, high, what) {
    const bar = h("i", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(90deg, ${theme.ramp.join(", ")})`;
    return h("span", { class: "scale", title: what }, low, bar, high);
  }

  /** Return the key of the retrained models' dots, with the worst of their fits. */
  #cloud(references) {
    const known = references.map(({ fit }) => fit).filter((fit) => typeof fit === "number");
    const text = known.length ? say.retrainedFit(references.length, known.length > 1 ? "≥ " : "", (Math.floor(100 * Math.min(...known)) / 100).toFixed(2)) : say.retrained(references.length);
    return h("span", { class: "key", "data-key": "cloud", title: fits(references) }, h("i", { class: "cloud" }), text);
  }

  /** Return the entry that shows or hides the trials of the search for settings. */
  #trialsEntry({ trials }, view) {
    const title = say.trialsOfSettingsWithoutLabels(trials.length, view.trials ? "hide" : "show");
    return h("button", { type: "button", class: "trials", "data-key": "trials", "aria-pressed": String(Boolean(view.trials)), title, onclick: () => this.trials() },
      h("i", { class: "branch", "aria-hidden": "true" }), h("span", {}, say.trial(trials.length, trials.length === 1 ? "" : "s")));
  }

  /** Build the entries for the chosen colour. */
  build(store, theme, ghosts) {
    const { scene, view } = store;
    const list = [];
    const ring = view.colour !== "forget";
    const held = picksIn(store);
    const within = (is) => (held ? say.within(held.filter(is).length) : "");
    if (view.colour === "class" || view.colour === "prediction") {
      const what = view.colour;
      scene.classes.slice(0, 20).forEach((name, k) => list.push(
        this.#button(`${what}:${k}`, what === "class" ? name : `→ ${name}`, classColour(theme, k, scene.classes.length), "dot",
          [what === "class" ? name + within((i) => scene.label[i] === k) : `→ ${name}`])));
    }
    if (view.colour === "client") {
      for (let k = 0; k < Math.min(20, scene.clients); k++) list.push(this.#button(`client:${k}`, say.client(k), classColour(theme, k, scene.clients)));
    }
    if (view.colour === "moved") list.push(this.#ramp(theme, say.TURNED_BY, say.AND_MORE, say.ANGLE_BETWEEN_THE_REPRESENTATION_NOW));
    if (view.colour === "confidence") list.push(this.#ramp(theme, "confidence 0", "1", say.THE_SHOWN_MODEL_CONFIDENCE_IN));
    if (scene.stage === "pick") {
      list.push(h("span", { class: "key" }, h("i", { class: "ringed" }), "picked"));
      this.entries.replaceChildren(...list);
      return;
    }
    const forgotten = scene.forget.reduce((sum, value) => sum + value, 0);
    const set = (word, index, count, is) => [`${word} D`, h("sub", {}, index), `${within(is)}${held ? say.OF : " · "}${count.toLocaleString("en")}`];
    list.push(this.#button("forget", "forgotten", theme.forget, ring ? "rim" : "dot", ring ? ["forgotten"] : set("forgotten", "f", forgotten, (i) => scene.forget[i])));
    if (!ring) list.push(this.#button("remain", "remaining", theme.remain, "dot", set("remaining", "r", scene.n - forgotten, (i) => !scene.forget[i])));
    if (ghosts.length) {
      const names = ghosts.map(({ label }) => scene.classes[label]);
      const was = names.length > 1 ? say.whereClassesWere(names.join(", ")) : say.whereClassWas(names[0]);
      list.push(h("span", { class: "key", title: say.THE_FORGOTTEN_CLASS_ON_THE }, h("i", { class: "ghost" }), was));
    }
    if (hasTrials(store)) list.push(this.#trialsEntry(scene, view));
    if (view.map === "fixed") list.push(h("span", { class: "key", title: say.FADED_DOT_WITH_RING_IS }, h("i", { class: "off" }), say.OFF_THE_MAP));
    if (view.density) list.push(h("span", { class: "key", "data-key": "density", title: say.LINES_AROUND_THE_DENSEST }, h("i", { class: "contour" }), say.DENSEST_SHARES));
    if (view.cloud && view.map === "fixed" && store.references.length > 1) list.push(this.#cloud(store.references));
    this.entries.replaceChildren(...list);
    this.mark(view);
  }

  mark({ isolate }) {
    for (const button of this.entries.querySelectorAll("[data-isolate]")) button.setAttribute("aria-pressed", button.dataset.isolate === isolate);
  }

  tell(store) {
    if (store.scene?.stage === "pick") {
      setText(this.question, say.POINTS_THAT_THE_ORIGINAL_MODEL);
      setText(this.floor, say.DRAG_AROUND_POINTS_TO_PICK);
      return;
    }
    const { short, floor, missing, long } = modeText(store);
    setText(this.missing, missing);
    setText(this.question, short);
    setText(this.floor, floor);
    this.mode.title = long;
  }
}

/** The names of the classes, where the original model has them. */
export class Names {
  /** @param {(what: string) => void} isolate toggles the isolated group @param {HTMLElement[]} controls over the map, which no name may lie under */
  constructor(isolate, controls = []) {
    this.isolate = isolate;
    this.controls = controls;
    this.element = h("div", { class: "names" });
    keepKeys(this.element, [" ", "Enter"]);
  }

  build(scene, groups, ghosts) {
    this.items = groups.map((indices, k) => {
      if (!indices.length || scene.classes.length > 30) return null;
      const ghost = ghosts.find(({ label }) => label === k);
      const button = h("button", {
        type: "button", class: ghost ? "gone" : null, "data-isolate": `class:${k}`, title: say.showOnlyClass(scene.classes[k]),
        "aria-label": say.ofClass(scene.classes[k]), onclick: () => this.isolate(`class:${k}`),
      }, scene.classes[k]);
      const rest = indices.filter((i) => !scene.forget[i]);
      const place = ghost
        ? { x: ghost.x, y: ghost.y + Math.hypot(ghost.long * Math.sin(ghost.angle), ghost.short * Math.cos(ghost.angle)) }
        : anchor(indices, scene.position, 1 / 32767);
      return { button, ghost, indices: rest.length ? rest : indices, place, width: 8 + 8 * scene.classes[k].length };
    }).filter(Boolean);
    this.element.replaceChildren(...this.items.map(({ button }) => button));
  }

  /** Return the places of the shown names as boxes {left, right, y} in px; a number beside a pile must not cover them. */
  boxes() {
    return (this.taken ?? []).map(({ x, y, width }) => ({ left: x - width / 2, right: x + width / 2, y }));
  }

  /** Return the boxes of the controls over the map, which must not cover a name. */
  #boxes() {
    return this.controls.filter((element) => element.offsetWidth).map(({ offsetLeft, offsetTop, offsetWidth, offsetHeight }) => ({
      left: offsetLeft, top: offsetTop, right: offsetLeft + offsetWidth, bottom: offsetTop + offsetHeight,
    }));
  }

  /** Place the names over their classes; with `xy`, over the classes' current positions on a follow map. */
  place(camera, isolate, xy = null) {
    const taken = this.taken = [];
    if (!xy || !this.blocked) this.blocked = this.#boxes(); // not on a map that moves: it would cost a layout for each picture
    for (const item of this.items ?? []) {
      const at = xy && !item.ghost ? anchor(item.indices, xy) : item.place;
      let [x, y] = camera.toScreen(at.x, at.y);
      y -= item.ghost ? 17 : 14;
      for (const other of taken) if (Math.abs(other.x - x) < (other.width + item.width) / 2 && Math.abs(other.y - y) < 16) y = other.y - 17;
      x = beside(this.blocked, x, y, item.width);
      taken.push({ x, y, width: item.width });
      const seen = x > 4 && y > 4 && x < camera.width - 4 && y < camera.height - 4;
      item.button.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
      item.button.hidden = !seen;
      item.button.setAttribute("aria-pressed", isolate === item.button.dataset.isolate);
      item.button.classList.toggle("dim", Boolean(isolate?.startsWith("class:")) && isolate !== item.button.dataset.isolate);
    }
  }
}
