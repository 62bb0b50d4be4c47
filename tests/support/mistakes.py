"""The page docs/mistakes.md: common wrong answers, and what the checks say to them.

PYTHONPATH=tests python -m support.mistakes      # writes the page again
"""

import importlib.util
import re
import sys
from pathlib import Path

from support.checkout import ROOT
from tinynet.lessons import exercise, pages
from tinynet.lessons.answer import small

PAGE = ROOT / "docs" / "mistakes.md"
HEAD = """# What learners get wrong

For teachers: the wrong answers that the checks of the lessons are tested with, and what each check
says to them. Made from `tests/lessons/wrong_NN.py`: `PYTHONPATH=tests python -m support.mistakes`.
"""


def wrong_answers(number):
    """Return the wrong answers to the exercises of a lesson, each with a part of its message."""
    path = Path(__file__).parents[1] / "lessons" / f"wrong_{number}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


def named(answer):
    """Return a wrong answer in words: the name of its function, or a value."""
    if isinstance(answer, str) and "\n" in answer:
        return None  # CUDA C
    name = getattr(answer, "__name__", None)
    if name is None:
        return f"`{', '.join(sorted(answer)) if isinstance(answer, set) else small(answer)}`"
    return None if "<" in name else name.replace("_", " ").strip()


def reason(outcome):
    """Return what the check says, without the case: its last line is the explanation."""
    said, _, _ = outcome.text.partition("\n  And your answer changed")
    lines = [line.strip() for line in said.split("\n")]
    plain = outcome.state == "raised" or "changed its argument" in said
    return lines[0] if plain else lines[-1]


def section(lesson):
    """Return the part of the page on one lesson."""
    lines = [f"## {lesson.number} {lesson.title}", ""]
    for number, answers in wrong_answers(lesson.number).items():
        known = exercise.find(number)
        rows = {}
        for answer, _ in answers:
            name = named(answer)
            if name is not None:
                rows.setdefault(reason(known.try_out(answer)), []).append(name)
        lines += [f"**{number} {known.title}**", ""]
        lines += ["| the answer | what the check says |", "|---|---|"]
        lines += [f"| {'; '.join(names)} | {_cell(why)} |" for why, names in rows.items()]
        lines.append("")
    return "\n".join(lines)


def _cell(text):
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")[:300]


def page(lessons):
    """Return the whole page."""
    return "\n".join([HEAD, *map(section, lessons)])


if __name__ == "__main__":
    PAGE.write_text(page(pages.lessons()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
