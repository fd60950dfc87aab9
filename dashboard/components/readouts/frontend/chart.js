/** Drawing of one chart: lines over steps, with the band of retrained models behind them. */
import { fitCanvas } from "../laf-lab.feed/dom.js";

const [LEFT, RIGHT, TOP] = [36, 6, 5];
const FOOT = 15; // px under the last chart for the steps

/** Conversion from steps to pixels and back, the same for all charts. */
export function scaleOf(store, width, steps = store.steps) {
  const room = width - LEFT - RIGHT;
  return {
    x: (step) => LEFT + (step / steps) * room,
    step: (px) => Math.max(0, Math.min(steps, ((px - LEFT) / room) * steps)),
  };
}

/** Return the next round number (1, 2, 5 × a power of ten) away from zero, so that the axis rarely changes. */
function round(value) {
  if (!value) return 0;
  const power = 10 ** Math.floor(Math.log10(Math.abs(value)));
  const lead = Math.abs(value) / power;
  return Math.sign(value) * power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((stop) => stop >= lead - 1e-9);
}

/** Return an axis label with as few digits as the round number has. */
function tick(value) {
  if (value < 0) return `−${tick(-value)}`;
  return value >= 1e5 || (value && value < 1e-3) ? value.toExponential(0) : String(Number(value.toPrecision(3)));
}

/** Return a read-out's axis limits: its values with a margin, within the possible range. */
function softly(low, high, [least, most]) {
  const room = most - least;
  const air = Math.max(0.06 * (high - low), 0.01 * room);
  const unit = 10 ** Math.floor(Math.log10(Math.max(high - low + 2 * air, 1e-9))) / 2;
  return [Math.max(least, Math.floor((low - air) / unit) * unit), Math.min(most, Math.ceil((high + air) / unit) * unit)];
}

function extent(chart, store) {
  if (chart.range) return chart.range;
  let [low, high] = [Infinity, -Infinity];
  for (const reading of store.fork ? [...store.readings, ...store.fork.readings] : store.readings) {
    for (const [key] of chart.lines) {
      const value = chart.value(reading, key);
      if (typeof value !== "number" || (chart.log && value <= 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  for (const value of [...(chart.band ?? []), ...(chart.references ?? [])]) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (low > high) return [chart.log ? 0.1 : 0, 1];
  if (chart.soft) return softly(low, high, chart.limits);
  if (chart.log) return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.0001))];
  return [Math.min(0, round(low)), Math.max(0, round(high)) || 1];
}

function drawFrame(context, chart, theme, { low, high, y, width, bottom }) {
  if (chart.conflict) {
    context.fillStyle = theme.alarm;
    context.globalAlpha = theme.dark ? 0.16 : 0.12;
    context.fillRect(LEFT, y(0), width - LEFT - RIGHT, bottom - y(0));
    context.globalAlpha = 1;
  }
  context.strokeStyle = theme.border;
  context.lineWidth = 1;
  context.beginPath();
  for (const value of chart.conflict ? [0] : [low]) {
    context.moveTo(LEFT, Math.round(y(value)) + 0.5);
    context.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
  }
  context.stroke();
  context.fillStyle = theme.muted;
  context.font = `10px ${theme.font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(tick(high), LEFT - 5, y(high) + 3);
  context.fillText(tick(low), LEFT - 5, bottom - 4);
}

/** Draw the band of retrained models as a strip, and a line for each of them. */
function drawBand(context, chart, theme, { y, width }) {
  if (!chart.band?.length) return;
  const [top, bottom] = [y(Math.max(...chart.band)), y(Math.min(...chart.band))];
  context.fillStyle = context.strokeStyle = theme.retrained;
  context.globalAlpha = theme.dark ? 0.24 : 0.18;
  context.fillRect(LEFT, top - 1, width - LEFT - RIGHT, Math.max(2, bottom - top + 2));
  context.globalAlpha = 0.75;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  context.beginPath();
  for (const value of chart.references ?? []) {
    context.moveTo(LEFT, y(value));
    context.lineTo(width - RIGHT, y(value));
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** Draw a border where each request of a chain begins. */
function drawBorders(context, { parts }, theme, { x, bottom }) {
  context.strokeStyle = theme.text;
  context.globalAlpha = 0.45;
  context.lineWidth = 1;
  context.setLineDash([3, 3]);
  context.beginPath();
  for (const { begin } of (parts ?? []).slice(1)) {
    context.moveTo(Math.round(x(begin)) + 0.5, 0);
    context.lineTo(Math.round(x(begin)) + 0.5, bottom);
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** Write the axis under the last chart: steps, or the numbers of the requests where they have room. */
function drawFoot(context, { parts }, theme, { x }, steps, height) {
  context.fillStyle = theme.muted;
  context.textBaseline = "alphabetic";
  if (!parts) {
    for (const [text, align, step] of [["0", "left", 0], ["step", "center", steps / 2], [String(steps), "right", steps]]) {
      context.textAlign = align;
      context.fillText(text, x(step), height - 3);
    }
    return;
  }
  context.textAlign = "center";
  for (const { number, begin, end, open } of parts) {
    if (x(end) - x(begin) < context.measureText(String(number)).width + 3) continue;
    context.fillStyle = open ? theme.text : theme.muted;
    context.fillText(String(number), x((begin + end) / 2), height - 3);
  }
}

/** Draw marks for changed settings, the fork's start and alarms. */
function drawMarks(context, store, theme, { x, bottom }) {
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  for (const [steps, colour] of [[store.changes.map(({ step }) => step), theme.accent], [store.fork ? [store.fork.from] : [], theme.fork]]) {
    context.strokeStyle = colour;
    context.beginPath();
    for (const step of steps) {
      context.moveTo(Math.round(x(step)) + 0.5, TOP);
      context.lineTo(Math.round(x(step)) + 0.5, bottom);
    }
    context.stroke();
  }
  context.setLineDash([]);
  context.fillStyle = theme.alarm;
  for (const { step } of store.alarms) {
    context.beginPath();
    context.moveTo(x(step) - 4, 0);
    context.lineTo(x(step) + 4, 0);
    context.lineTo(x(step), 5);
    context.fill();
  }
}

/** Draw one signal of all trials, faintly; the chosen trial's is stronger. */
function drawTrialLines(context, { trials, signal }, theme, { x, y }) {
  for (const trial of trials ?? []) {
    context.strokeStyle = trial.chosen ? theme.accent : theme.original;
    context.lineWidth = trial.chosen ? 1.6 : 1.1;
    context.globalAlpha = trial.chosen ? 0.9 : 0.55;
    context.beginPath();
    trial.steps.forEach((step, k) => {
      const value = trial[signal][k];
      if (typeof value === "number") context[k ? "lineTo" : "moveTo"](x(step), y(100 * value));
    });
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Draw the fork's curves in the same colours, dashed. */
function drawFork(context, chart, store, theme, { x, y }) {
  const { fork } = store;
  if (!fork) return;
  context.save();
  context.setLineDash([4, 3]);
  context.lineWidth = 1.4;
  for (const [key, , colour] of chart.lines) {
    context.strokeStyle = theme[colour];
    context.beginPath();
    let pen = false;
    for (const reading of [store.readings[fork.shared - 1], ...fork.readings.slice(fork.shared)]) {
      const value = chart.value(reading, key);
      if (typeof value !== "number") { pen = false; continue; }
      if (pen) context.lineTo(x(reading.step), y(value));
      else context.moveTo(x(reading.step), y(value));
      pen = true;
    }
    context.stroke();
  }
  context.restore();
}

function drawLines(context, chart, store, theme, { x, y }) {
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  for (const [key, , colour] of chart.lines) {
    context.strokeStyle = theme[colour];
    context.beginPath();
    let pen = false;
    const known = (reading) => typeof chart.value(reading, key) === "number";
    const alone = store.readings.filter((reading, k, all) => known(reading) && !known(all[k - 1]) && !known(all[k + 1])); // single points are drawn as dots
    for (const reading of store.readings) {
      const value = chart.value(reading, key);
      if (typeof value !== "number") { pen = false; continue; }
      if (pen) context.lineTo(x(reading.step), y(value));
      else context.moveTo(x(reading.step), y(value));
      pen = true;
    }
    context.stroke();
    context.fillStyle = theme[colour];
    for (const reading of alone) context.fillRect(x(reading.step) - 1.5, y(chart.value(reading, key)) - 1.5, 3, 3);
  }
}

/**
 * Place the line and the dots of one frame over a chart. They are elements, so moving them redraws no canvas.
 * @param {{line: HTMLElement, dots: HTMLElement[]}} marks
 */
export function placeCursor(chart, marks, store, seq) {
  const reading = seq === null || !chart.frame ? null : store.readingAt(seq);
  marks.line.hidden = !reading;
  if (reading) marks.line.style.transform = `translateX(${Math.round(chart.frame.x(reading.step))}px)`;
  chart.lines.forEach(([key], k) => {
    const value = chart.value(reading, key);
    const dot = marks.dots[k];
    dot.hidden = typeof value !== "number";
    if (!dot.hidden) dot.style.transform = `translate(${chart.frame.x(reading.step).toFixed(1)}px, ${chart.frame.y(value).toFixed(1)}px)`;
  });
}

/** Draw the curves and store the scale in `chart.frame`. @param {boolean} last true for the chart with the step axis */
export function drawChart(chart, store, theme, last) {
  const { canvas } = chart;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (width < 60 || height < 20) return;
  const context = fitCanvas(canvas, width, height);
  context.clearRect(0, 0, width, height);
  const bottom = height - (last ? FOOT : 3);
  const [low, high] = extent(chart, store);
  const tone = chart.log ? Math.log10 : (value) => value;
  const y = (value) => bottom - ((tone(Math.max(chart.log ? low : -Infinity, value)) - tone(low)) / (tone(high) - tone(low))) * (bottom - TOP);
  const steps = chart.steps ?? store.steps;
  const { x } = scaleOf(store, width, steps);
  const frame = { low, high, x, y, width, bottom };
  drawFrame(context, chart, theme, frame);
  drawBand(context, chart, theme, frame);
  drawTrialLines(context, chart, theme, frame);
  drawLines(context, chart, store, theme, frame);
  drawFork(context, chart, store, theme, frame);
  drawMarks(context, store, theme, frame);
  drawBorders(context, store, theme, frame);
  chart.frame = frame;
  if (last) drawFoot(context, store, theme, frame, steps, height);
}
