/** Small helpers with which the components build their page. */

/** Return an element with attributes, listeners ("onclick") and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set an element's text only if it differs, to avoid layout work and repeated announcements. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an element's tooltip only if it differs. */
export function setTitle(element, text) {
  if (element.title !== text) element.title = text;
}

/** Keep keys that a component handles from the page's shortcuts (space plays, → steps). */
export function keepKeys(element, keys) {
  element.addEventListener("keydown", (event) => { if (keys.includes(event.key)) event.stopPropagation(); });
  element.addEventListener("keyup", (event) => { if (keys.includes(event.key)) event.stopPropagation(); });
}

/** Fit a canvas to its box on the screen. @returns {CanvasRenderingContext2D} in CSS pixels */
export function fitCanvas(canvas, width, height, { alpha = true } = {}) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h2] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h2) Object.assign(canvas, { width: w, height: h2 });
  const context = canvas.getContext("2d", { alpha, willReadFrequently: true }); // much faster without a GPU
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * Keep one instance per mounted component. Streamlit calls the default export at each data or theme change. It may call
 * a clean-up after a newer change, so an instance is destroyed only once its root has left the page.
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
