/** The colours of the page, dark and light, chosen by Streamlit's theme. A colour means the same on every page. */

const DARK = {
  bg: "#0d111c", panel: "#141a29", raised: "#1a2236", border: "#27304a", text: "#e9edf7", muted: "#93a0bd", accent: "#7c9cff",
  forget: "#ffa24a", remain: "#4fa3ff", retrained: "#b79bff", original: "#8390ad", alarm: "#ff6f7d", good: "#46d39a",
  ue: "#e3c550", ra: "#4cc9b8", fork: "#ff8ad0", onAccent: "#0d111c", shadow: "0 8px 28px rgb(0 0 0 / .5)",
  classes: ["#f0787f", "#f2a65a", "#e2c653", "#a3cf62", "#4ecb94", "#4fc6de", "#6ea4ff", "#a18fff", "#dd86e4", "#b9a68f"],
  ramp: ["#3a4668", "#3f7f99", "#58b795", "#b5d96b", "#fdeb6b"],
};
const LIGHT = {
  bg: "#f6f7fb", panel: "#ffffff", raised: "#f0f2f8", border: "#dfe3ee", text: "#182033", muted: "#5d6a86", accent: "#3658d6",
  forget: "#bb4a04", remain: "#1767c4", retrained: "#6d48cf", original: "#7b869d", alarm: "#c92a3a", good: "#087a4f",
  ue: "#8c6b00", ra: "#0a7d70", fork: "#b0267f", onAccent: "#ffffff", shadow: "0 8px 24px rgb(24 32 51 / .18)",
  classes: ["#c62f3a", "#c76a00", "#937500", "#57902a", "#0b8a5a", "#00838f", "#1f66d0", "#5e45c9", "#a1329f", "#7a6450"],
  ramp: ["#c9cfdf", "#86b8c4", "#3f9a8b", "#1f6f63", "#123c4a"],
};

/** Return red, green and blue in 0–255 of "#abc", "#aabbcc" or "rgb(…)"; null for anything else. */
export function rgb(colour) {
  const text = colour.trim();
  const long = /^#[0-9a-f]{6}/i.test(text) ? text : text.replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
  if (/^#[0-9a-f]{6}/i.test(long)) return [1, 3, 5].map((at) => parseInt(long.slice(at, at + 2), 16));
  const parts = text.match(/^rgba?\(([^)]*)\)/)?.[1].split(/[\s,/]+/).map(Number);
  return parts && parts.length >= 3 ? parts.slice(0, 3) : null;
}

/**
 * Set the colours on a component's root as CSS variables (--forget, --panel …) and return them for its canvases.
 * Streamlit runs a component's script again when the theme changes: call it there.
 * @param {HTMLElement} root
 */
export function applyTheme(root) {
  const background = rgb(getComputedStyle(root).getPropertyValue("--st-background-color") || "#fff") || [255, 255, 255];
  const dark = 0.2126 * background[0] + 0.7152 * background[1] + 0.0722 * background[2] < 128;
  const theme = dark ? DARK : LIGHT;
  root.dataset.theme = dark ? "dark" : "light";
  for (const [name, value] of Object.entries(theme)) if (typeof value === "string") root.style.setProperty(`--${name}`, value);
  return { ...theme, dark, font: getComputedStyle(root).fontFamily || "sans-serif" };
}

/** Return the colour at share 0…1 of a list of stops. */
export function mix(stops, share) {
  const place = Math.max(0, Math.min(0.9999, share)) * (stops.length - 1);
  const [low, high] = [rgb(stops[Math.floor(place)]), rgb(stops[Math.floor(place) + 1])];
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * (place % 1))).join(" ")})`;
}

/** Return a class's colour; more than ten classes are spread over the hues. */
export function classColour(theme, index, count) {
  if (count <= theme.classes.length) return theme.classes[index];
  return `hsl(${Math.round((index * 360) / count)} ${theme.dark ? "70% 68%" : "65% 40%"})`;
}
