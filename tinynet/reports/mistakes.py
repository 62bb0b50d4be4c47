"""Answers of a network for its page: confusion matrix, accuracy of each class, worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinynet.core.backend import Array
from tinynet.data import Dataset
from tinynet.plot.confusion import confusion_in_words
from tinynet.reports.html import Html, bar, figure, image, join, table, tag, text
from tinynet.reports.images import photograph
from tinynet.reports.measure import Answers
from tinynet.training.metrics import wilson_interval
from tinynet.words import phrase, spoken

MATRIX = 25  # classes up to which the whole matrix is shown
PAIRS = 15  # most frequent confusions that are listed
WORST = 12  # mistakes that are shown
# Shares of a row from which the other ink has more contrast, on a light page and on a dark one.
LIGHT_PAGE = 0.86
DARK_PAGE = 0.62


def matrix(found: Answers, classes: Sequence[str]) -> Html:
    """Return the confusion matrix, or the most frequent confusions where it would be too large."""
    words = spoken(confusion_in_words(found.counts.astype(float), classes))
    if len(classes) > MATRIX:
        return join([tag("p", words), _pairs(found.counts, classes)])
    header = [phrase("true class \\ answer"), *classes]
    rows = [
        [classes[i], *(_cell(found.counts, i, j) for j in range(len(classes)))]
        for i in range(len(classes))
    ]
    caption = phrase(
        "Number of test images of each true class (row) by the answer of the network (column). The "
        "stronger the blue of a cell, the larger its share of the row."
    )
    return join([tag("p", words), table(header, rows, caption, class_="confusion")])


def _cell(counts: Array, i: int, j: int) -> Html:
    share = counts[i, j] / max(1, counts[i].sum())
    kinds = ["strong"] if share > DARK_PAGE else []
    kinds += ["full"] if share > LIGHT_PAGE else []
    kinds += ["right"] if i == j else []
    return tag(
        "td",
        f"{counts[i, j]:,}" if counts[i, j] else "",
        class_=" ".join(kinds) or None,
        style=f"--share: {share:.3f}",
    )


def _pairs(counts: Array, classes: Sequence[str]) -> Html:
    """Return a table of the most frequent confusions."""
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    places = [divmod(int(place), len(counts)) for place in order]
    rows = [
        [classes[i], classes[j], f"{wrong[i, j]:,}", f"{100 * wrong[i, j] / counts[i].sum():.1f} %"]
        for i, j in places
        if wrong[i, j]
    ]
    header = [*map(phrase, ("true class", "answer", "images", "share of the class"))]
    return table(header, rows, phrase("The most frequent confusions."), numbers=2, class_="answers")


def class_table(found: Answers, classes: Sequence[str]) -> Html:
    """Return the accuracy of each class, the worst first, with its most frequent wrong answer."""
    totals = found.counts.sum(axis=1)
    right = found.counts.diagonal()
    shares = right / np.maximum(1, totals)
    order = np.lexsort((np.arange(len(classes)), shares + 2.0 * (totals == 0)))
    rows = []
    for i in order.tolist():
        n = int(totals[i])
        if not n:
            rows.append([classes[i], "0", "", "", "", ""])
            continue
        low, high = wilson_interval(int(right[i]), n)
        rows.append(
            [
                classes[i],
                f"{n:,}",
                f"{100 * shares[i]:.1f} %",
                bar(float(shares[i])),
                phrase("{low:.1f} to {high:.1f} %", low=100 * low, high=100 * high),
                tag("td", _confused_with(found.counts[i], i, classes)),
            ]
        )
    taken = tag("th", phrase("most often taken for"), scope="col")
    named = map(phrase, ("class", "images", "accuracy"))
    header = [*named, "", phrase("95 % interval"), taken]
    caption = phrase("Accuracy on the test images of each class, the lowest first.")
    return table(header, rows, caption, class_="answers")


def _confused_with(row: Array, i: int, classes: Sequence[str]) -> str:
    wrong = row.copy()
    wrong[i] = 0
    if not wrong.any():
        return phrase("none")
    j = int(wrong.argmax())
    return f"{classes[j]} ({wrong[j]:,})"


def worst(found: Answers, test: Dataset, classes: Sequence[str]) -> Html:
    """Return the images with the least probable true class, each with its answer."""
    indices = found.worst(WORST).tolist()
    if not indices:
        said = "All {count:,} test images are answered correctly."
        return tag("p", phrase(said, count=len(found.labels)))
    shown = []
    for i in indices:
        true = classes[int(found.labels[i])]
        answer = classes[int(found.answers[i])]
        sure = f"{100 * found.certainty[i]:.1f} %"
        truth = f"{100 * found.truth[i]:.2g} %"
        said = "Test image {index}: {true}, taken for {answer} with probability {sure}."
        alternative = phrase(said, index=i, true=true, answer=answer, sure=sure)
        words = "{true} taken for {answer} ({sure}); {same} had {truth}. Image {index:,}."
        caption = Html(
            phrase(
                words,
                true=tag("strong", true),
                answer=text(answer),
                sure=tag("span", sure, class_="number"),
                same=text(true),
                truth=tag("span", truth, class_="number"),
                index=i,
            )
        )
        picture = image(photograph(test[i][0]), alternative, class_="pixels")
        shown.append(figure(picture, caption))
    wrong = int((found.labels != found.answers).sum())
    introduction = phrase(
        "{wrong:,} of {count:,} test images are answered wrongly. Here are the "
        "{shown} whose true class got the lowest probability: look for images that are "
        "hard, and for labels that are wrong.",
        wrong=wrong,
        count=len(found.labels),
        shown=len(indices),
    )
    return join([tag("p", introduction), tag("div", *shown, class_="gallery")])
