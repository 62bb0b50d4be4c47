"""The page of `tinynet serve`: drop or draw an image, see probabilities and feature maps."""

from __future__ import annotations

import html
import json

from tinynet.analysis.page import STYLE
from tinynet.core.errors import printable
from tinynet.training.predict import TrainedModel
from tinynet.words import language, phrase

OF_ANSWERS = """
main { display: grid; grid-template-columns: minmax(17rem, 20rem) minmax(0, 1fr); gap: 2.5rem; }
@media (max-width: 44rem) { main { grid-template-columns: minmax(0, 1fr); gap: 1rem; } }
main h2 { margin: 1.2rem 0 .6rem; }
#results > h2:first-child { margin-top: 0; }
#drop { border: 2px dashed var(--line); border-radius: 8px; padding: 1rem; text-align: center; }
#drop p { margin: 0 0 .6rem; }
#drop.over { border-color: var(--accent); }
#drop input { width: 100%; max-width: 15rem; font: inherit; font-size: .9rem; }
canvas { width: 100%; max-width: 20rem; border: 1px solid var(--line); border-radius: 8px;
  touch-action: none; cursor: crosshair; display: block; }
.row { display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; margin: .6rem 0; }
.class { display: grid; grid-template-columns: 9rem 1fr max-content; gap: .6rem;
  align-items: center; }
.class span:first-child { overflow-wrap: anywhere; }
.class span:last-child { min-width: 4.2rem; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.track { background: var(--line); border-radius: 4px; height: 1rem; }
.track div { background: var(--accent); border-radius: 4px; height: 100%; }
main img { image-rendering: pixelated; }
#seen { width: 9rem; }
.layer img { width: 100%; border-radius: 0; }
main figure { margin: .8rem 0; }
#state { color: var(--soft); min-height: 1.5em; margin: 0; }
#error { color: var(--warm); font-weight: 600; }
#error:empty, #state:empty { display: none; }
"""
FIRST = "Its answer will stand here: the most probable classes, and the maps of its layers."

DROP = "Drop an image on this page, paste one, or choose a file:"

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
  get("state").textContent = words.computing;
  let answer;
  try {
    const response = await fetch("/predict", {method: "POST", body: blob});
    answer = await response.json();
  } catch (error) {
    answer = {error: words.silent};
  }
  if (number === newest) show(answer);
}
function element(kind, settings, ...inside) {
  const made = Object.assign(document.createElement(kind), settings);
  made.append(...inside);
  return made;
}
function show(answer) {
  get("state").textContent = "";
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
      element("img", {src: image, alt: words.maps.replace("{name}", name)}),
      element("figcaption", {textContent: name}))));
}
clearCanvas();
"""


def _words() -> str:
    """Return the texts of the script as a JavaScript object."""
    said = {
        "computing": phrase("Computing ..."),
        "silent": phrase("The server does not answer. Is tinynet serve still running?"),
        "maps": phrase("Feature maps of {name}", name="{name}"),
    }
    return json.dumps(said, ensure_ascii=False).replace("<", "\\u003c")


def page(trained: TrainedModel) -> str:
    """Return the page for a network; pen and ground are white on black for digits."""
    name = html.escape(printable(trained.recipe.name))
    classes = html.escape(", ".join(map(printable, trained.classes[:12])))
    hidden = len(trained.classes) - 12
    more = phrase(" and {count} more", count=hidden) if hidden > 0 else ""
    network = phrase(
        "A network of {count} classes: {names}.", count=len(trained.classes), names=classes + more
    )
    saw = phrase("what the network saw")
    ground = "#000000" if trained.recipe.data == "mnist" else "#7a7a7a"
    color = "#ffffff" if trained.recipe.data == "mnist" else "#d8452e"
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>tinynet: {name}</title>\n<style>{STYLE}{OF_ANSWERS}</style>\n</head>\n<body>\n"
        f"<h1>{phrase('What does {name} see?', name=name)}</h1>\n"
        f"<p>{network}</p>\n<main>\n<div>\n"
        f'<div id="drop"><p><label for="file">{phrase(DROP)}</label></p>'
        '<input id="file" type="file" accept="image/*"></div>\n'
        f"<h2>{phrase('Or draw')}</h2>\n"
        f'<canvas id="draw" width="280" height="280" aria-label="{phrase("Drawing area")}">'
        f'</canvas>\n<div class="row"><label>{phrase("pen")} '
        f'<input id="color" type="color" value="{color}"></label>'
        f'<label>{phrase("background")} <input id="ground" type="color" value="{ground}"></label>'
        f'<button id="clear">{phrase("clear")}</button></div>\n</div>\n<div aria-live="polite">\n'
        f'<p id="state">{phrase(FIRST)}</p>\n<p id="error"></p>\n'
        f'<div id="results" hidden>\n<h2>{phrase("Most probable classes")}</h2>\n'
        f'<div id="classes"></div>\n<figure><img id="seen" alt="{saw}">'
        f"<figcaption>{saw}</figcaption></figure>\n<h2>{phrase('How the layers answer')}</h2>\n"
        '<div id="layers"></div>\n</div>\n</div>\n</main>\n'
        f"<script>\nconst words = {_words()};{SCRIPT}</script>\n</body>\n</html>\n"
    )
