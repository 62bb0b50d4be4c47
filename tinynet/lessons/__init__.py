"""Tools of the lessons: eleven names, and the exercises.

    from tinynet.lessons import check, device, figure, hint, kernel_name, language, move, pictures
    from tinynet.lessons import predict, show, solution

    check("07.2", my_function)     ok, or the first case that fails, in small numbers
    hint("07.2")                   the next of up to three steps; hint("07.2", 2) is the second
    solution("07.2")               the course's solution
    predict("07.a", ..., truth)    asks for a guess; calls truth() and shows it only then
    show(kernel)                   the library's source, from the library
    figure(fig, "what it shows")   a figure with an alternative text
    move(draw, i=range(3))         the figure that draw(i) returns, with a slider for i
    learn, test = pictures()       drawn images, or photographs if CIFAR-10 is in the data folder
    kernel_name("numba")           "numba", or "no Numba" where it is not installed
    model.to(device())             the GPU if CuPy finds one, else "cpu"
    language("ko")                 messages and figures in Korean, from here on

`pictures` and `device` print a line that says what they found; no lesson needs more than drawn
images and a CPU. ``TINYNET_LESSON_DATA=shapes`` or ``=cifar10`` overrides the choice of images.

The lessons themselves are scripts in ``lessons/``; ``tinynet lessons list`` names them.
"""

from __future__ import annotations

from typing import Any

from tinynet.lessons import exercise, speak
from tinynet.lessons.picture import figure, move
from tinynet.lessons.prediction import predict
from tinynet.lessons.source import show
from tinynet.lessons.supply import device, kernel_name, pictures
from tinynet.words import phrase, use

__all__ = [
    "check",
    "device",
    "figure",
    "hint",
    "kernel_name",
    "language",
    "move",
    "pictures",
    "predict",
    "show",
    "solution",
]

_hints_given: dict[str, int] = {}


def language(lang: str) -> None:
    """Set the language of messages and figures: "en" or "ko"; a notebook tells errors in it too."""
    use(lang)
    speak.tell_errors()


def check(number: str, answer: Any) -> None:
    """Print whether an answer is right; if not, print the failing case and the reason."""
    outcome = exercise.find(number).judge(answer)
    exercise.note(outcome)
    speak.say(outcome.state, str(outcome))


def hint(number: str, step: int | None = None) -> None:
    """Print the next hint to an exercise, or that of a step; after the last one, begin again."""
    hints = exercise.find(number).hints
    if not hints:
        speak.say("hint", phrase("{number} has no hints.", number=number))
        return
    if step is not None and not 1 <= step <= len(hints):
        said = "hint: {number} has the hints 1 to {count}, not {step}."
        raise ValueError(phrase(said, number=number, count=len(hints), step=step))
    i = _hints_given.get(number, 0) % len(hints) if step is None else step - 1
    _hints_given[number] = i + 1
    said = "{number} hint {step} of {count}: {text}"
    told = phrase(said, number=number, step=i + 1, count=len(hints), text=phrase(hints[i]))
    speak.say("hint", told)


def solution(number: str) -> None:
    """Print the solution of an exercise."""
    found = exercise.find(number)
    speak.code(f"{number} {phrase(found.title)}", found.solution_source())
