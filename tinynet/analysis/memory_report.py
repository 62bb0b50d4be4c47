"""Memory report of a registered model: the estimate of a training step as text."""

from __future__ import annotations

from tinynet import models, nn, optim
from tinynet.analysis import memory
from tinynet.core.table import table
from tinynet.words import phrase, phrases

CARD_OF_2012 = 3 << 30  # bytes of one GTX 580; the paper's network was split over two
SHOWN = 8  # ops that save the most


def page(
    name: str,
    batch: int,
    classes: int | None = None,
    variant: str | None = None,
    cross_at: str | None = None,
) -> str:
    """Return the memory of a training step, and whether a graphics card of 2012 could hold it.

    Parameters
    ----------
    name : str
        A registered model.
    batch : int
        Images in a step.
    classes, variant, cross_at : optional
        As in `tn.models.build`.
    """
    entry = models.entry(name, variant)
    with nn.init.skip_init():
        model = models.build(name, classes or entry.classes, variant=variant, cross_at=cross_at)
    found = memory.estimate(model, (3, entry.side, entry.side), momentum_sgd)
    peak, op = found.peak(batch)
    most = sorted(found.saved, key=lambda saved: -saved.bytes.at(batch))[:SHOWN]
    rows = [(s.op, "x".join(map(str, s.shape)), mib(s.bytes.at(batch))) for s in most]
    traced = phrase(" and ").join(map(str, found.traced_batches))
    lines = [
        phrase(
            "{name}: memory of a training step with {batch} images, estimated from steps with "
            "{traced} images.",
            name=variant or name,
            batch=batch,
            traced=traced,
        ),
        amounts(found, batch),
        phrase("peak of all arrays: {peak} MiB, in {op}", peak=mib(peak), op=op),
        phrase(
            "peak of the process: {peak} MiB, with Python and libraries, without the images that "
            "wait to be used",
            peak=mib(peak + memory.process_overhead(found)),
        ),
        fit_of_2012(found, batch),
        "",
        table([phrases("most saved by", "output", "MiB"), *rows], left=2),
    ]
    return "\n".join(lines)


def fit_of_2012(found: memory.MemoryEstimate, batch: int) -> str:
    """Return whether a card of 2012, or one for each device, could hold the step."""
    whole = found.peak(batch)[0]
    most = found.largest_batch(CARD_OF_2012)
    card = {"card": mib(CARD_OF_2012)}
    if len(found.devices) == 1:
        return phrase(_fits(whole), **card, largest=most)
    peaks = {device: found.peak(batch, device)[0] for device in found.devices}
    said = "{size} MiB on {device}"
    amounts_of = [phrase(said, size=mib(peak), device=device) for device, peak in peaks.items()]
    each = phrase(" and ").join(amounts_of)
    split = min(found.largest_batch(CARD_OF_2012, device) for device in found.devices)
    first = phrase(_fits(max(peaks.values())), **card, largest=split)
    second = phrase(_fits(whole), **card, largest=most)
    why = "The paper split its network over two cards because 3 GB limit its size (section 3.5)."
    return "\n".join(
        [
            phrase("On one card for each device ({each}): {said}", each=each, said=first),
            phrase("On a single such card: {said}", said=second) + f" {phrase(why)}",
        ]
    )


def amounts(found: memory.MemoryEstimate, batch: int) -> str:
    """Return a table of the amounts, with a column for each device."""
    devices = found.devices
    columns = {
        "parameters": found.parameters,
        "running statistics": found.buffers,
        "gradients": found.gradients,
        "momentum of SGD": found.optimizer,
        "activations saved for backward": found.activations(batch),
        "largest workspace of an op": {d: found.workspace(batch, d) for d in devices},
        "peak": {d: found.peak(batch, d)[0] for d in devices},
    }
    rows = [(phrase(what), *(mib(of.get(d, 0)) for d in devices)) for what, of in columns.items()]
    return table([("MiB", *devices), *rows], left=1)


def momentum_sgd(model: nn.Module) -> optim.Optimizer:
    """Return the optimizer of the AlexNet paper (section 5)."""
    return optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


def mib(amount: float) -> str:
    """Return bytes as MiB, with one decimal.

    Examples
    --------
    >>> mib(3 << 30)
    '3,072.0'
    """
    return f"{amount / 2**20:,.1f}"


def _fits(peak: int) -> str:
    if peak <= CARD_OF_2012:
        return (
            "The step fits into the 3 GB of a graphics card of 2012 ({card} MiB); largest batch "
            "that fits: {largest:,}."
        )
    return (
        "The step does not fit into the 3 GB of a graphics card of 2012 ({card} MiB); largest "
        "batch that fits: {largest:,}."
    )
