/** Which colour and how strong each point is, and the little stamps they are drawn with. */
import { classColour, mix } from "../laf-lab.feed/theme.js";

const SHADES = 24;
const stamps = new Map();

/** A round dot (or a ring) of one colour, drawn once and stamped thousands of times. */
export function stamp(colour, radius, rim = null, hollow = false) {
  const ratio = window.devicePixelRatio || 1;
  const key = `${colour},${radius},${rim},${hollow},${ratio}`;
  let canvas = stamps.get(key);
  if (canvas) return canvas;
  const side = Math.ceil((radius + 2.5) * 2 * ratio);
  canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.beginPath();
  context.arc(side / ratio / 2, side / ratio / 2, radius, 0, 7);
  if (!hollow) {
    context.fillStyle = colour;
    context.fill();
  }
  if (rim || hollow) {
    context.strokeStyle = rim || colour;
    context.lineWidth = hollow ? 1.1 : 1.4;
    context.stroke();
  }
  canvas.half = side / ratio / 2;
  if (stamps.size > 600) stamps.clear();
  stamps.set(key, canvas);
  return canvas;
}

/** Whether a point belongs to what somebody isolated ("forget", "remain", "class:3", "prediction:1"); everything, if nothing. */
export function picked(isolate, scene, says, i) {
  if (!isolate) return true;
  if (isolate === "forget") return scene.forget[i] === 1;
  if (isolate === "remain") return scene.forget[i] === 0;
  const [what, index] = isolate.split(":");
  return (what === "class" ? scene.label[i] : says.prediction[i]) === Number(index);
}

/**
 * Colour of every point.
 * @returns {(i: number) => string}
 */
export function colourOf(theme, colour, scene, says) {
  const classes = scene.classes.map((_, k) => classColour(theme, k, scene.classes.length));
  const shades = Array.from({ length: SHADES }, (_, k) => mix(theme.ramp, k / (SHADES - 1)));
  const shade = (share) => shades[Math.min(SHADES - 1, Math.max(0, Math.round(share * (SHADES - 1))))];
  switch (colour) {
    case "class": return (i) => classes[scene.label[i]];
    case "prediction": return (i) => classes[says.prediction[i]] ?? theme.muted;
    case "moved": return (i) => shade(says.angle ? says.angle[i] / 90 : 0);
    case "confidence": return (i) => shade(says.confidence[i] / 255);
    default: return (i) => (scene.forget[i] ? theme.forget : theme.remain);
  }
}

/** The stamps, strengths and order of all points for one frame, until something else is shown. */
export function prepare(theme, view, scene, says) {
  const { n } = scene;
  const colour = colourOf(theme, view.colour, scene, says);
  const grow = Math.min(2.2, Math.max(0.8, view.zoom ** 0.4));
  const [small, large] = [2.5 * grow, 3.5 * grow];
  const plain = view.colour === "forget";
  const marks = { stamps: new Array(n), alpha: new Float32Array(n), off: new Uint8Array(n), order: new Uint32Array(n) };
  let [front, back] = [n, 0];
  for (let i = 0; i < n; i++) {
    const forgotten = scene.forget[i] === 1;
    const strange = says.off_map ? says.off_map[i] : 0;
    marks.stamps[i] = stamp(colour(i), forgotten ? large : small, forgotten ? (plain ? theme.panel : theme.forget) : null);
    marks.alpha[i] = (picked(view.isolate, scene, says, i) ? (forgotten ? 1 : 0.78) : 0.1) * (1 - (0.6 * strange) / 255);
    marks.off[i] = strange > 128 ? 1 : 0;
    if (forgotten) marks.order[--front] = i;
    else marks.order[back++] = i;
  }
  marks.ring = stamp(theme.muted, large + 1.8, null, true);
  marks.forgotten = marks.order.slice(front);
  return marks;
}
