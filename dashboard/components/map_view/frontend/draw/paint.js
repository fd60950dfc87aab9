/** Colour, size and opacity of each point. */
import { classColour, mix } from "../../laf-lab.feed/theme.js";

const SHADES = 24;
const UNPICKED = 0.32; // opacity of the other points while some are picked

/** Return true for a point of the isolated group ("forget", "remain", "class:3", "prediction:1", "client:4"); without a group for all points. */
export function picked(isolate, scene, says, i) {
  if (!isolate) return true;
  if (isolate === "forget") return scene.forget[i] === 1;
  if (isolate === "remain") return scene.forget[i] === 0;
  const [what, index] = isolate.split(":");
  const group = { class: scene.label, client: scene.client }[what] ?? says.prediction;
  return group[i] === Number(index);
}

/**
 * Return the colour of every point.
 * @returns {(i: number) => string}
 */
export function colourOf(theme, colour, scene, says) {
  const classes = scene.classes.map((_, k) => classColour(theme, k, scene.classes.length));
  const shades = Array.from({ length: SHADES }, (_, k) => mix(theme.ramp, k / (SHADES - 1)));
  const shade = (share) => shades[Math.min(SHADES - 1, Math.max(0, Math.round(share * (SHADES - 1))))];
  switch (colour) {
    case "class": return (i) => classes[scene.label[i]];
    case "client": return (i) => classColour(theme, scene.client[i], scene.clients);
    case "prediction": return (i) => classes[says.prediction[i]] ?? theme.muted;
    case "moved": return (i) => shade(says.angle ? says.angle[i] / 90 : 0);
    case "confidence": return (i) => shade(says.confidence[i] / 255);
    default: return (i) => (scene.forget[i] ? theme.forget : theme.remain);
  }
}

/** Return colours, opacities and drawing order of all points for one frame. `picks` is a set of ids. */
export function prepare(theme, view, scene, says, picks) {
  const { n } = scene;
  const colour = colourOf(theme, view.colour, scene, says);
  const grow = Math.min(2.2, Math.max(0.8, view.zoom ** 0.4));
  const marks = {
    colour: new Array(n), alpha: new Float32Array(n), off: new Uint8Array(n), order: new Uint32Array(n),
    picked: [], ring: scene.stage === "pick" ? theme.forget : theme.text, small: 2.5 * grow, large: 3.5 * grow, rim: view.colour === "forget" ? theme.panel : theme.forget,
    lost: view.colour === "forget" ? theme.forget : theme.muted, // ring of a forgotten point off the map
  };
  let [front, back] = [n, 0];
  for (let i = 0; i < n; i++) {
    const forgotten = scene.forget[i] === 1;
    const strange = says.off_map && view.map === "fixed" ? says.off_map[i] : 0; // a follow map places every point
    marks.colour[i] = colour(i);
    marks.alpha[i] = (picked(view.isolate, scene, says, i) ? (forgotten ? 1 : 0.78) : 0.1) * (1 - ((forgotten ? 0.2 : 0.6) * strange) / 255);
    if (picks.has(scene.ids[i])) {
      marks.picked.push(i);
      marks.alpha[i] = 1;
    } else if (picks.size) marks.alpha[i] *= UNPICKED;
    marks.off[i] = strange > 128 ? 1 : 0;
    if (forgotten) marks.order[--front] = i;
    else marks.order[back++] = i;
  }
  marks.remaining = marks.order.subarray(0, front);
  marks.forgotten = marks.order.subarray(front);
  return marks;
}
