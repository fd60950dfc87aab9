/** Draws the trials of the search for settings as faint branches, from the original's places of the forgotten images to each trial's. */

const UNIT = 1 / 32767;
const MOST = 90; // branches drawn for one trial

/** Return true if the picture has trials to draw: they belong to the fixed map. */
export function hasTrials({ scene, view }) {
  return Boolean(scene?.trial_position?.length) && view.map === "fixed" && view.show === "now";
}

/** Draw the branches of every trial; the chosen one is stronger. Each branch ends in a small square. */
export function drawTrials(context, { store, camera, theme, marks }) {
  const { trials, trial_position: places, position } = store.scene;
  const indices = Array.from(marks.forgotten).sort((a, b) => a - b); // the order of the places
  const every = Math.max(1, Math.ceil(indices.length / MOST));
  trials.filter(({ placed }) => placed).forEach(({ chosen }, k) => {
    context.strokeStyle = context.fillStyle = chosen ? theme.accent : theme.original;
    context.lineWidth = chosen ? 1 : 0.8;
    for (let row = 0; row < indices.length; row += every) {
      const i = indices[row];
      if (marks.alpha[i] < 0.11) continue;
      const at = 2 * (k * indices.length + row);
      const [x, y] = camera.toScreen(position[2 * i] * UNIT, position[2 * i + 1] * UNIT);
      const [x2, y2] = camera.toScreen(places[at] * UNIT, places[at + 1] * UNIT);
      context.globalAlpha = chosen ? 0.16 : 0.1;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x2, y2);
      context.stroke();
      context.globalAlpha = chosen ? 0.7 : 0.45;
      context.fillRect(x2 - 1.5, y2 - 1.5, 3, 3);
    }
  });
  context.globalAlpha = 1;
}
