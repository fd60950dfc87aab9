/** Names of an image and of its classes, as the cards say them. */
import { h } from "../../laf-lab.feed/dom.js";
import * as say from "../words.js";

/** Return the name of class k. */
export const className = (scene, k) => scene.classes[k] ?? "?";

/** Return an image's true class in words: "digit 3" where all classes are digits. */
export function kindOf(scene, i) {
  const name = className(scene, scene.label[i]);
  return scene.classes.every((text) => /^\d$/.test(text)) ? say.digit(name) : name;
}

/** Return " · client 3" for an image of a client, else "". */
export function owner(scene, i) {
  return scene.client ? say.ofClient(scene.client[i]) : "";
}

/** Return ", mislabelled 7" for an image that was trained with a wrong label, else "". */
export function wrongLabel(scene, i) {
  return scene.given && scene.given[i] !== scene.label[i] ? say.mislabelled(className(scene, scene.given[i])) : "";
}

/** Return "forgotten" or "remains" in its colour, or on a page to pick from "picked". */
export function fate({ scene, picks }, i) {
  const picked = picks.ids.has(scene.ids[i]);
  if (scene.stage === "pick") return picked ? h("em", { class: "forget" }, say.PICKED) : null;
  return h("em", { class: scene.forget[i] ? "forget" : "remain" }, scene.forget[i] ? say.FORGOTTEN : say.REMAINS, picked ? `, ${say.PICKED}` : "");
}

/** Return the point of an image, or -1 if the image is not on the map. */
export function pointOf(scene, id) {
  if (scene.pointOf === undefined) scene.pointOf = new Map(Array.from(scene.ids, (known, i) => [known, i]));
  return scene.pointOf.get(id) ?? -1;
}
