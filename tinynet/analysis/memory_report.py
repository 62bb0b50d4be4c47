"""What a training step of a network will need of the memory, in words."""

from __future__ import annotations

from tinynet import models, nn, optim
from tinynet.analysis import memory
from tinynet.analysis.summary import table

CARD_OF_2012 = 3 << 30  # bytes of one GTX 580; the paper's network lived on two
SHOWN = 8  # ops that keep the most


def page(name: str, batch: int, classes: int | None = None, variant: str | None = None) -> str:
    """Return the ledger of a named model for a batch, and whether 2012 had room for it."""
    entry = models.entry(name, variant)
    with nn.init.skip_init():
        model = models.build(name, classes or entry.classes, variant=variant)
    book = memory.of_training(model, (3, entry.side, entry.side), momentum_sgd)
    peak, op = book.peak(batch)
    large = sorted(book.kept, key=lambda kept: -kept.bytes.at(batch))[:SHOWN]
    kept = [(k.op, "x".join(map(str, k.shape)), mib(k.bytes.at(batch))) for k in large]
    ones = " and ".join(map(str, book.watched))
    return (
        f"{variant or name}: a training step with {batch} images, foretold from {ones} images.\n"
        f"{amounts(book, batch)}\n"
        f"peak of all arrays: {mib(peak)} MiB, in {op}\n"
        f"peak of the process: {mib(peak + memory.process(book))} MiB, with Python and libraries; "
        "pictures that wait come on top\n"
        f"{answer(book, batch)}\n\n"
        f"{table([('most is kept by', 'output', 'MiB'), *kept], left=2)}"
    )


def answer(book: memory.Ledger, batch: int) -> str:
    """Return whether a card of 2012, or one for each device, had room, and for how many images."""

    def fits(peak: int) -> str:
        return "fits" if peak <= CARD_OF_2012 else "does not fit"

    whole, most = book.peak(batch)[0], book.largest_batch(CARD_OF_2012)
    card = f"the 3 GB of a graphics card of 2012 ({mib(CARD_OF_2012)} MiB)"
    if len(book.devices) == 1:
        return f"It {fits(whole)} into {card}; {most:,} images a step would just do."
    shares = {where: book.peak(batch, where)[0] for where in book.devices}
    each = " and ".join(f"{mib(peak)} MiB on {where}" for where, peak in shares.items())
    split = min(book.largest_batch(CARD_OF_2012, where) for where in book.devices)
    return (
        f"With a card for each device, {each}, it {fits(max(shares.values()))} into {card}; "
        f"{split:,} images a step would just do.\n"
        f"All of it on one such card {fits(whole)}; {most:,} images would just do. "
        "The paper cut its net in two because 3 GB limit how large it can be (section 3.5)."
    )


def amounts(book: memory.Ledger, batch: int) -> str:
    """Return a table of what stands, what comes and goes, and the peak: a column a device."""
    columns = {
        "parameters": book.parameters,
        "running values": book.buffers,
        "gradients": book.gradients,
        "velocity of SGD": book.optimizer,
        "activations kept for backward": book.activations(batch),
        "scratch of the hungriest op": {w: book.scratch(batch, w) for w in book.devices},
        "peak": {w: book.peak(batch, w)[0] for w in book.devices},
    }
    places = book.devices
    rows = [(what, *(mib(of.get(where, 0)) for where in places)) for what, of in columns.items()]
    return table([("MiB", *places), *rows], left=1)


def momentum_sgd(model: nn.Module) -> optim.Optimizer:
    """Return the paper's optimiser."""
    return optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


def mib(amount: float) -> str:
    """Return bytes in MiB."""
    return f"{amount / 2**20:,.1f}"
