/** Small helpers with which the components build their page. */

/** An element with attributes, listeners ("onclick") and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Writes text only when it differs, so that a screen reader and the layout are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same for the text that shows when the pointer rests. */
export function setTitle(element, text) {
  if (element.title !== text) element.title = text;
}

/** Keys that a component handles itself must not reach the page's shortcuts (space plays, → steps). */
export function keepKeys(element, keys) {
  element.addEventListener("keydown", (event) => { if (keys.includes(event.key)) event.stopPropagation(); });
  element.addEventListener("keyup", (event) => { if (keys.includes(event.key)) event.stopPropagation(); });
}

/** Fits a canvas to its box on the screen. @returns {CanvasRenderingContext2D} in CSS pixels */
export function fitCanvas(canvas, width, height, { alpha = true } = {}) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h2] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h2) Object.assign(canvas, { width: w, height: h2 });
  const context = canvas.getContext("2d", { alpha, willReadFrequently: true }); // much faster where there is no GPU
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * Keeps one instance per mounted component. Streamlit calls the default export at each data or theme change, and calls
 * a clean-up also when a newer change overtook it: only a root that has left the page is really gone.
 * @param {ShadowRoot} parentElement
 * @param {() => {destroy: () => void}} create
 */
export function keepInstance(parentElement, create) {
  const instance = (parentElement.lafInstance ??= create());
  const cleanUp = () => setTimeout(() => {
    const host = parentElement.host ?? parentElement;
    if (host.isConnected || parentElement.lafInstance !== instance) return;
    delete parentElement.lafInstance;
    instance.destroy();
  }, 50);
  return { instance, cleanUp };
}
