"use strict";
// Plays the runs in #data: positions of every frame, accuracies and losses. A lesson has several runs. Makes no requests.
const packed = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const UNIT = 16383;
let data, forget, labels, positions, retrained, count, accuracy, losses; // of the shown run
const find = (id) => document.getElementById(id);
const time = find("time"), play = find("play"), where = find("where");
let at = 0; // frame, with a fraction between two
let until = 0; // the last frame to play
let playing = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function sheet(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Draw the points of one map; `place` returns a point's position on one axis in units of the map. */
function drawPoints(canvas, place) {
  const { context, width, height } = sheet(canvas);
  const reach = (Math.min(width, height) / 2 - 8) / (1.15 * UNIT);
  const size = (data.n > 800 ? 2.1 : 3) * (Math.min(width, height) < 320 ? 0.75 : 1);
  const x = (i) => width / 2 + place(i, 0) * reach, y = (i) => height / 2 - place(i, 1) * reach;
  for (const kind of [0, 1]) { // forgotten images are drawn last, on top
    context.fillStyle = colour(kind ? "forget" : "remain");
    context.globalAlpha = kind ? 0.95 : 0.6;
    for (let i = 0; i < data.n; i++) {
      if (forget[i] !== kind) continue;
      context.beginPath();
      context.arc(x(i), y(i), size, 0, 7);
      context.fill();
    }
  }
  context.globalAlpha = 1;
  if (labels) nameClasses(context, x, y);
}

/** Write each class's name at the median of its remaining images, and of its forgotten ones in their colour. */
function nameClasses(context, x, y) {
  const groups = new Map();
  for (let i = 0; i < data.n; i++) {
    const key = 2 * labels[i] + forget[i];
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(i);
  }
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 3;
  context.lineJoin = "round";
  for (const [key, members] of groups) {
    if (key % 2 && members.length < 3) continue;
    if (!(key % 2) && groups.get(key + 1)?.length > members.length) continue; // forgotten images are most of the class
    if (key % 2 && groups.get(key - 1)?.length >= members.length) continue;
    const at = [median(members.map(x)), median(members.map(y)) + 4];
    context.strokeStyle = colour("panel");
    context.strokeText(data.classes[key >> 1], ...at);
    context.fillStyle = colour(key % 2 ? "forget" : "text");
    context.fillText(data.classes[key >> 1], ...at);
  }
}

function drawMap() {
  find("retrained").hidden = !retrained;
  if (!positions) {
    const { context } = sheet(find("map"));
    context.fillStyle = colour("muted");
    context.fillText("this run has no map", 12, 20);
    return;
  }
  const low = Math.min(Math.floor(at), count - 1), high = Math.min(low + 1, count - 1), part = at - low;
  drawPoints(find("map"), (i, axis) => {
    const a = positions[2 * (low * data.n + i) + axis], b = positions[2 * (high * data.n + i) + axis];
    return a + (b - a) * part;
  });
  if (retrained) drawPoints(find("beside"), (i, axis) => retrained[2 * i + axis]);
}

/** Return an axis label with as many digits as tell the ends of the axis apart. */
function tick(value, span) {
  if (Math.abs(value) >= 1e5) return value.toExponential(0);
  const text = value.toFixed(Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(span)))));
  return (Number(text) === 0 ? "0" : text.includes(".") ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

function drawCurves(canvas, steps, lines, range) {
  const { context, width, height } = sheet(canvas);
  const values = lines.flatMap((l) => l.values).filter((v) => v !== null && Number.isFinite(v));
  let [low, high] = range || [Math.min(...values), Math.max(...values)];
  if (!values.length) return;
  if (low === high) [low, high] = [low - 1, high + 1];
  const left = 44, bottom = 16, last = Math.max(1, data.last);
  const x = (step) => left + (width - left - 6) * step / last;
  const y = (v) => 6 + (height - bottom - 6) * (1 - (v - low) / (high - low));
  context.font = "11px system-ui, sans-serif";
  context.strokeStyle = colour("border");
  context.fillStyle = colour("muted");
  for (const v of [low, (low + high) / 2, high]) {
    context.beginPath();
    context.moveTo(left, y(v));
    context.lineTo(width, y(v));
    context.stroke();
    context.textAlign = "right";
    context.fillText(tick(v, high - low), left - 5, y(v) + 4);
  }
  context.fillText(`step ${data.last}`, width - 4, height - 3);
  for (const change of data.changes) {
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x(change), 6);
    context.lineTo(x(change), height - bottom);
    context.stroke();
    context.setLineDash([]);
  }
  for (const line of lines) { // retrained models: a strip from the lowest to the highest
    if (!line.retrained?.length) continue;
    const [least, most] = [Math.min(...line.retrained), Math.max(...line.retrained)];
    context.fillStyle = colour("ra");
    context.globalAlpha = 0.22;
    context.fillRect(left, y(most) - 1, width - left - 6, y(least) - y(most) + 2);
    context.globalAlpha = 1;
  }
  for (const line of lines) {
    context.strokeStyle = colour(line.role);
    context.lineWidth = line.faint ? 0.8 : 1.7;
    context.globalAlpha = line.faint ? 0.35 : 1;
    context.beginPath();
    let down = false;
    line.values.forEach((v, i) => {
      if (v === null || !Number.isFinite(v)) { down = false; return; }
      if (down) context.lineTo(x(steps[i]), y(v)); else context.moveTo(x(steps[i]), y(v));
      down = true;
    });
    context.stroke();
    context.globalAlpha = 1;
  }
  context.lineWidth = 1;
  context.strokeStyle = colour("accent");
  context.beginPath();
  context.moveTo(x(stepNow()), 6);
  context.lineTo(x(stepNow()), height - bottom);
  context.stroke();
}

const NAMES = { ue: "L_UE", ra: "L_RA" };
const ROLES = ["ue", "ra"];

/** Show another run, up to its frame `last` (default: all). */
function show(run, last = run.steps.length - 1) {
  stop();
  if (data !== run) {
    data = run;
    forget = bytes(data.forget);
    positions = data.positions && new Int16Array(bytes(data.positions).buffer);
    count = data.steps.length;
    labels = data.classes && bytes(data.labels);
    retrained = data.retrained && new Int16Array(bytes(data.retrained).buffer);
    accuracy = data.accuracy;
    const told = Object.keys(data.losses.values);
    const drawn = (key, faint) => told.map((name, i) => ({ name: NAMES[name] || name, role: ROLES[i], values: data.losses[key][name], faint }));
    losses = [...drawn("values", true), ...drawn("smooth", false)];
    const { per_image: perImage, over } = data.losses;
    find("losses-title").textContent = `Losses, ${perImage ? `per ${data.one}` : "batch sums"}${over > 1 ? `, mean of ${over} steps` : ""}`;
  }
  until = last;
  time.max = Math.max(0, until);
}

function stepNow() {
  const low = Math.floor(at), high = Math.min(low + 1, count - 1);
  return data.steps[low] + (data.steps[high] - data.steps[low]) * (at - low);
}

function key(id, lines, value) {
  find(id).replaceChildren(...lines.filter((line) => !line.faint).map((line) => {
    const label = document.createElement("i");
    label.style.color = `var(--${line.role})`;
    label.textContent = `${line.name} ${value(line)}`;
    return label;
  }));
}

/** Fill the table: each accuracy before the run, at the shown frame, and in the retrained models. */
function figures(frame) {
  const text = (v) => (Number.isFinite(v) ? v.toFixed(1) : "–");
  find("retrained-head").textContent = data.references ? `retrained, ${data.references} model${data.references > 1 ? "s" : ""}` : "retrained";
  find("figures").tBodies[0].replaceChildren(...accuracy.map((line) => {
    const row = document.createElement("tr"), head = document.createElement("th"), symbol = document.createElement("small");
    head.scope = "row";
    head.style.color = `var(--${line.role})`;
    symbol.textContent = line.symbol;
    head.append(`${line.name} `, symbol);
    const [least, most] = [Math.min(...line.retrained), Math.max(...line.retrained)].map(text);
    const beside = line.retrained.length === 0 ? "–" : least === most ? least : `${least} to ${most}`;
    row.append(head, ...[text(line.values[0]), text(line.values[frame]), beside].map((told) => {
      const cell = document.createElement("td");
      cell.textContent = told;
      return cell;
    }));
    return row;
  }));
}

function draw() {
  const frame = Math.round(at);
  time.value = frame;
  where.textContent = count ? `frame ${data.frames[frame]}, step ${data.steps[frame]}` : "no frames";
  document.body.dataset.frame = frame;
  drawMap();
  drawCurves(find("accuracy"), data.steps, accuracy, [0, 100]);
  drawCurves(find("losses"), data.losses.steps, losses, null);
  figures(frame);
  key("losses-key", losses, () => "");
}

function stop() {
  cancelAnimationFrame(playing);
  playing = null;
  play.textContent = "Play";
}

play.onclick = () => {
  if (playing !== null) return stop();
  if (at >= until) at = 0;
  const begin = performance.now(), from = at;
  const rate = Math.max(6, until / 20); // frames a second: a long run takes 20 seconds
  play.textContent = "Pause";
  const tick = (now) => {
    at = Math.min(until, from + Math.max(0, now - begin) / 1000 * rate);
    draw();
    if (at >= until) stop(); else playing = requestAnimationFrame(tick);
  };
  playing = requestAnimationFrame(tick);
};
time.oninput = () => { stop(); at = +time.value; draw(); };
find("theme").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  draw();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", draw);
addEventListener("keydown", (event) => {
  if (event.target === time || ["BUTTON", "INPUT", "SUMMARY"].includes(event.target.tagName)) return;
  if (event.key === " ") { event.preventDefault(); play.onclick(); }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    stop();
    at = Math.min(until, Math.max(0, Math.round(at) + (event.key === "ArrowRight" ? 1 : -1)));
    draw();
  }
});
if (!packed.runs) { // lesson.js opens the first part of a lesson
  show(packed);
  draw();
}
