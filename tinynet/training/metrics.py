"""Running metrics: mean loss and accuracy over the batches so far."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tinynet.core.backend import Array, array_module, current, home, to_numpy
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.tensors import Tensor


@dataclasses.dataclass
class RunningMetrics:
    """Sums over the batches so far; `means` divides them.

    Attributes
    ----------
    loss : float
        Sum of the losses of all images.
    correct : int
        Number of images whose highest score is that of their class.
    images : int
    """

    loss: float = 0.0
    correct: int = 0
    images: int = 0

    # Sums that are still on a GPU; not fields, so that they are never saved.
    _pending = None
    _pending_images = 0

    def add(self, scores: Tensor, loss: Tensor, labels: Array) -> None:
        """Add a batch: `loss` is its mean, `scores` (N, classes), `labels` (N,)."""
        self.loss += loss.item() * len(labels)
        self.correct += int((to_numpy(scores.data).argmax(axis=1) == labels).sum())
        self.images += len(labels)

    def add_async(self, sums: Array, images: int) -> None:
        """Add a batch whose sums, see `batch_sums`, stay on a GPU until `synchronize`."""
        with current(home(sums)):
            self._pending = sums if self._pending is None else self._pending + sums
        self._pending_images += images

    def synchronize(self) -> None:
        """Wait for the GPU and take over the sums that were added there."""
        if self._pending is None:
            return
        loss, correct = to_numpy(self._pending).tolist()
        self.loss += loss
        self.correct += int(correct)
        self.images += self._pending_images
        self._pending = None
        self._pending_images = 0

    def all_reduce(self, ranks: ProcessGroup = SINGLE) -> None:
        """Replace the sums by those over all ranks."""
        self.synchronize()
        sums = np.array([self.loss, self.correct, self.images], np.float64)
        ranks.all_reduce(sums)
        self.loss = float(sums[0])
        self.correct = int(sums[1])
        self.images = int(sums[2])

    @property
    def means(self) -> tuple[float, float]:
        """Mean loss and accuracy."""
        return self.loss / max(1, self.images), self.correct / max(1, self.images)


def wilson_interval(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return an interval for the accuracy of a model that answered `correct` of n images.

    Wilson's score interval (Wilson 1927), with k = correct:

        (k + z²/2 ± z sqrt(k (n - k) / n + z²/4)) / (n + z²)

    Parameters
    ----------
    correct, n : int
        Right answers, and images; n is at least 1.
    z : float
        Standard deviations on each side; 1.96 is for 95 %.

    Returns
    -------
    (low, high) : float
        Between 0 and 1.

    Examples
    --------
    >>> from tinynet.training.metrics import wilson_interval
    >>> low, high = wilson_interval(6, 10)
    >>> round(low, 3), round(high, 3)
    (0.313, 0.832)
    """
    center = correct + z * z / 2
    spread = z * math.sqrt(correct * (n - correct) / n + z * z / 4)
    return max(0.0, (center - spread) / (n + z * z)), min(1.0, (center + spread) / (n + z * z))


def batch_sums(scores: Tensor, loss: Tensor, labels: Array) -> Array:
    """Return (loss * N, number of correct images), (2,) float64, on the device of the scores."""
    xp = array_module(scores.data)
    right = (scores.data.argmax(axis=1) == labels).sum()
    return xp.stack([loss.data * len(labels), right]).astype(np.float64)
