/** One mounted strip of examples, redrawn when another frame is shown or retrained models arrive. */
import { h, setText, setTitle } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import * as say from "./words.js";

const MOST = 10;
const LINES = [
  ["was", say.ANSWER_OF_THE_ORIGINAL_MODEL],
  ["now", say.ANSWER_AT_THE_SHOWN_STEP],
  ["retrained", say.MOST_COMMON_ANSWER_OF_THE],
];

/** Return `most` items of a list, evenly spaced. */
export function spaced(list, most) {
  const count = Math.min(most, list.length);
  return Array.from({ length: count }, (_, k) => list[Math.floor((k * list.length) / count)]);
}

/** Return the retrained models' most common answer to point i and its votes; null without models. */
export function mostCommon(references, i) {
  const votes = new Map();
  for (const { prediction } of references) votes.set(prediction[i], (votes.get(prediction[i]) ?? 0) + 1);
  return [...votes].reduce((best, one) => (best && best[1] >= one[1] ? best : one), null);
}

export class Examples {
  constructor(parent) {
    this.list = h("ul", {});
    const heads = LINES.map(([word, help]) => h("span", { title: help }, word));
    this.root = h("section", { class: "examples", "aria-label": say.EXAMPLES_WITH_ANSWERS },
      h("p", {}, say.EXAMPLES_TO_FORGET), h("div", { class: "heads", "aria-hidden": "true" }, ...heads), this.list);
    this.cells = [];
    parent.append(this.root);
    this.retheme();
  }

  destroy() {
    this.off?.();
    cancelAnimationFrame(this.request);
    this.root.remove();
  }

  show(store) {
    if (store === this.store) return;
    this.off?.();
    this.store = store;
    this.scene = null;
    this.off = store.on("scene frames cursor life", () => this.#later());
    this.#later();
  }

  retheme() { applyTheme(this.root); }

  #later() {
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      if (this.store?.scene && this.root.isConnected) this.#update();
    });
  }

  /** Build a cell for each example of a new scene. */
  async #build(scene) {
    this.scene = scene;
    const forgotten = Array.from(scene.forget ?? []).flatMap((is, i) => (is ? [i] : []));
    this.root.classList.toggle("named", scene.classes.some((name) => name.length > 2));
    this.cells = spaced(forgotten, MOST).map((i) => {
      const cell = { i, picture: h("canvas", { "aria-hidden": "true" }), lines: LINES.map(([word]) => h("span", { class: word })), said: h("span", { class: "said" }) };
      cell.element = h("li", {}, cell.picture, h("div", { "aria-hidden": "true" }, ...cell.lines), cell.said);
      return cell;
    });
    this.list.replaceChildren(...this.cells.map(({ element }) => element));
    if (!scene.atlas) return;
    const atlas = await createImageBitmap(new Blob([scene.atlas], { type: scene.sprite.mime }));
    if (scene !== this.scene) return;
    const { columns, width, height } = scene.sprite;
    for (const { i, picture } of this.cells) {
      Object.assign(picture, { width, height });
      picture.getContext("2d").drawImage(atlas, (i % columns) * width, Math.floor(i / columns) * height, width, height, 0, 0, width, height);
    }
  }

  #update() {
    const { scene, references } = this.store;
    if (scene !== this.scene) this.#build(scene);
    const frame = this.store.frameAt(this.store.cursor);
    const name = (k) => scene.classes[k] ?? "?";
    for (const { i, element, lines, said } of this.cells) {
      const [answer, votes] = mostCommon(references, i) ?? [null, 0];
      const [was, now] = [scene.prediction[i], frame ? frame.prediction[i] : null];
      const texts = [name(was), now === null ? "…" : name(now), answer === null ? "…" : name(answer)];
      texts.forEach((text, k) => setText(lines[k], text));
      lines[1].classList.toggle("same", now === was);
      const theirs = answer === null ? "" : say.ofRetrainedModelsSay(votes, references.length, name(answer));
      const sentence = say.idWasNow(scene.ids[i], texts[0], texts[1], theirs);
      setText(said, sentence);
      setTitle(element, sentence);
    }
  }
}
