// The lesson beside its runs: first a prediction, then one part at a time with its run.
const parts = [...document.querySelectorAll("#parts > article")];
const dots = [...document.querySelectorAll("#dots > li")];
const back = find("back"), next = find("next");
let part = 0;

function isUnanswered(article) {
  return article.querySelector("fieldset:not([data-answered])") !== null;
}

function turn(to) {
  part = Math.max(0, Math.min(parts.length - 1, to));
  parts.forEach((article, i) => { article.hidden = i !== part; });
  dots.forEach((dot, i) => { dot.className = i === part ? "at" : i < part ? "done" : ""; });
  document.body.dataset.part = part;
  back.disabled = part === 0;
  next.disabled = part === parts.length - 1 || isUnanswered(parts[part]);
  const scene = packed.scenes[part];
  const run = packed.runs[scene.run];
  const before = data;
  show(run, scene.frame);
  if (before !== run || at > until) at = 0;
  find("run-says").textContent = scene.says;
  if (scene.from === scene.frame) at = scene.frame;
  draw();
  parts[part].querySelector("h2").focus({ preventScroll: true });
  document.querySelector(".story").scrollTop = 0;
}

for (const field of document.querySelectorAll("fieldset")) {
  const button = field.querySelector("button"), boxes = [...field.querySelectorAll("input")];
  field.oninput = () => { button.disabled = false; };
  button.onclick = () => {
    const chosen = boxes.findIndex((box) => box.checked) + 1;
    if (!chosen) return;
    field.dataset.answered = chosen;
    boxes.forEach((box) => { box.disabled = true; });
    button.hidden = true;
    const right = +field.dataset.answer;
    if (right && !field.dataset.later) {
      field.querySelector(".why").hidden = false;
      field.querySelector(".why b").textContent = chosen === right ? "✓ Right. " : "✗ Not quite. ";
    }
    if (field.dataset.later) {
      const predicted = document.querySelector("#predicted");
      predicted.querySelector("b").textContent = !right ? "" : chosen === right ? "✓ Right. " : "✗ Not quite. ";
      predicted.querySelector("span").textContent = `You predicted: ${field.querySelectorAll("label")[chosen - 1].textContent.trim()}`;
    }
    next.disabled = part === parts.length - 1 || isUnanswered(parts[part]);
    next.focus();
  };
}
back.onclick = () => turn(part - 1);
next.onclick = () => turn(part + 1);
for (const button of document.querySelectorAll("button.do")) button.onclick = () => { if (playing === null) { at = packed.scenes[part].from; play.onclick(); } };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n" && !next.disabled) turn(part + 1);
  if (event.key === "N" && !back.disabled) turn(part - 1);
});
turn(0);
