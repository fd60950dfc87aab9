/**
 * The default run's map, drawn from data in the page while Streamlit is still loading; the map view replaces it.
 * dashboard/server/asgi.py writes this into the page after the text of components/map_view/frontend/camera.js and
 * components/feed/frontend/theme.js, since a request for them would wait behind all of Streamlit's own.
 */
/* global Camera, applyTheme */
const MOST = 30_000; // ms after which the early map is removed in any case
const [SMALL, LARGE] = [2.5, 3.5]; // radii of remaining and forgotten points, as in the map view
const early = document.getElementById("laf-early");
const { position: packed, forget: [first, last] } = JSON.parse(early.querySelector("script").textContent);
const position = new Int16Array(Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0)).buffer);

/** Return "dark" or "light" if the user chose it in Streamlit's menu, otherwise null. */
function chosen() {
  try {
    const key = Object.keys(localStorage).find((name) => name.startsWith("stActiveTheme"));
    return /light|dark/i.exec(localStorage.getItem(key) ?? "")?.[0].toLowerCase() ?? null;
  } catch {
    return null; // no storage in this browser
  }
}

function draw() {
  const scheme = chosen() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  early.dataset.scheme = scheme;
  const theme = applyTheme(early);
  document.documentElement.style.background = theme.bg;
  const canvas = early.querySelector("canvas");
  const { clientWidth: width, clientHeight: height } = canvas;
  const camera = new Camera({ zoom: 1, x: 0, y: 0 });
  camera.resize(width, height);
  camera.frame(position);
  Object.assign(canvas, { width: width * devicePixelRatio, height: height * devicePixelRatio });
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  context.lineWidth = 1.3;
  context.strokeStyle = theme.panel;
  const dots = (from, to, size, colour, alpha) => {
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    for (let i = from; i < to; i++) {
      context.beginPath();
      context.arc(...camera.toScreen(position[2 * i] / 32767, position[2 * i + 1] / 32767), size, 0, 7);
      context.fill();
      if (size === LARGE) context.stroke();
    }
  };
  dots(0, first, SMALL, theme.remain, 0.78);
  dots(first, last, LARGE, theme.forget, 1);
  early.dataset.drawn = "true";
}

/** Remove the map when another page or an error is shown, or after too long. */
function watch(start) {
  if (!early.isConnected) return;
  const gone = location.pathname !== start.path || performance.now() - start.time > MOST;
  if (gone || document.querySelector("[data-testid=stException]")) early.remove();
  else setTimeout(watch, 100, start);
}

window.lafLab ??= {};
window.lafLab.arrived = () => early.remove(); // called by the map view
draw();
watch({ path: location.pathname, time: performance.now() });
