"""The page of `tinynet serve`: drop or draw an image, see probabilities and feature maps."""

from __future__ import annotations

import html

from tinynet.core.errors import printable
from tinynet.training.predict import TrainedModel

STYLE = """
:root { color-scheme: light dark; --line: #8886; --bar: #0072B2; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: auto; padding: 1rem; }
main { display: grid; grid-template-columns: minmax(18rem, 22rem) 1fr; gap: 2rem; }
@media (max-width: 44rem) { main { grid-template-columns: 1fr; } }
#drop { border: 2px dashed var(--line); border-radius: 8px; padding: 1rem; text-align: center; }
#drop.over { border-color: var(--bar); }
canvas { width: 100%; max-width: 280px; border: 1px solid var(--line); border-radius: 8px;
  touch-action: none; cursor: crosshair; }
button { font: inherit; padding: .3rem .9rem; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--line); }
.row { display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; margin: .5rem 0; }
.class { display: grid; grid-template-columns: 9rem 1fr 4rem; gap: .6rem; align-items: center; }
.track { background: var(--line); border-radius: 4px; height: 1rem; }
.track div { background: var(--bar); border-radius: 4px; height: 100%; }
img { image-rendering: pixelated; background: white; }
#seen { width: 9rem; border-radius: 6px; }
.layer img { width: 100%; max-width: 40rem; }
figure { margin: .8rem 0; } figcaption { font-size: .85rem; }
#error { color: #D55E00; font-weight: 600; }
"""

SCRIPT = """
const get = (name) => document.getElementById(name);
const canvas = get("draw"), pen = canvas.getContext("2d");
let last = null, newest = 0;
function clearCanvas() {
  pen.fillStyle = get("ground").value;
  pen.fillRect(0, 0, canvas.width, canvas.height);
}
function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width,
          (event.clientY - box.top) * canvas.height / box.height];
}
function line(from, to) {
  pen.strokeStyle = get("color").value;
  pen.lineWidth = 22;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath(); pen.moveTo(...from); pen.lineTo(...to); pen.stroke();
}
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId); last = place(event); line(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (last) { const now = place(event); line(last, now); last = now; }
});
canvas.addEventListener("pointerup", () => { last = null; canvas.toBlob(send); });
get("clear").addEventListener("click", clearCanvas);
get("ground").addEventListener("input", clearCanvas);
function first(files) { if (files[0]) send(files[0]); }
get("file").addEventListener("change", (event) => first(event.target.files));
const drop = get("drop");
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault(); drop.classList.remove("over");
  first(event.dataTransfer.files);
});
addEventListener("paste", (event) => first(event.clipboardData.files));
async function send(blob) {
  const number = ++newest;
  let answer;
  try {
    const response = await fetch("/predict", {method: "POST", body: blob});
    answer = await response.json();
  } catch (error) {
    answer = {error: "The server does not answer. Is tinynet serve still running?"};
  }
  if (number === newest) show(answer);
}
function element(kind, settings, ...inside) {
  const made = Object.assign(document.createElement(kind), settings);
  made.append(...inside);
  return made;
}
function show(answer) {
  get("error").textContent = answer.error || "";
  get("results").hidden = Boolean(answer.error);
  if (answer.error) return;
  get("seen").src = answer.seen;
  get("classes").replaceChildren(...answer.classes.map(({name, probability}) => {
    const percent = (100 * probability).toFixed(1) + " %";
    const bar = element("div", {});
    bar.style.width = 100 * probability + "%";
    return element("div", {className: "class"}, element("span", {textContent: name}),
      element("div", {className: "track"}, bar), element("span", {textContent: percent}));
  }));
  get("layers").replaceChildren(...answer.layers.map(({name, image}) =>
    element("figure", {className: "layer"},
      element("img", {src: image, alt: "Feature maps of " + name}),
      element("figcaption", {textContent: name}))));
}
clearCanvas();
"""


def page(trained: TrainedModel) -> str:
    """Return the page for a network; pen and ground are white on black for digits."""
    name = html.escape(printable(trained.recipe.name))
    classes = html.escape(", ".join(map(printable, trained.classes[:12])))
    more = f" and {len(trained.classes) - 12} more" if len(trained.classes) > 12 else ""
    ground = "#000000" if trained.recipe.data == "mnist" else "#7a7a7a"
    color = "#ffffff" if trained.recipe.data == "mnist" else "#d8452e"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>tinynet: {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{name}</h1>\n<p>Classes: {classes}{more}.</p>\n<main>\n<div>\n"
        '<div id="drop"><p>Drop an image on this page, paste one, or</p>'
        '<label>choose a file: <input id="file" type="file" accept="image/*">'
        "</label></div>\n<h2>Or draw</h2>\n"
        '<canvas id="draw" width="280" height="280" aria-label="Drawing area"></canvas>\n'
        f'<div class="row"><label>pen <input id="color" type="color" value="{color}"></label>'
        f'<label>ground <input id="ground" type="color" value="{ground}"></label>'
        '<button id="clear">clear</button></div>\n</div>\n<div aria-live="polite">\n'
        '<p id="error"></p>\n<div id="results" hidden>\n<h2>Most probable classes</h2>\n'
        '<div id="classes"></div>\n<figure><img id="seen" alt="What the network saw">'
        "<figcaption>what the network saw</figcaption></figure>\n<h2>How the layers answer</h2>\n"
        '<div id="layers"></div>\n</div>\n</div>\n</main>\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
