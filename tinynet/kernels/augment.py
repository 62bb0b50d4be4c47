r"""From a data set of bytes to a batch: picked, cropped, mirrored, normalised, all in one pass.

    y[n, c, i, j] = (images[index[n], c, (top[n] + h) // enlarge, (left[n] + v) // enlarge]
                     - mean[c, h, w]) / deviation[c] + shift[n, c]

    h = i + down[n] - pad, w = j + right[n] - pad       the place in the picture that was cut out
    v = size - 1 - w where mirrored[n], else w          and where its pixel comes from
    outside of 0 .. size - 1 the quotient is 0: the border lies around normalised pictures

On a GPU the data set stays where it is, in bytes, and a step sends six small integers a picture.
What is random in them is drawn in `pipeline`, the same for every device.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel

PLACES = 6  # index, top, left, mirrored, down, right


@Kernel
def augment(
    images: Array,
    places: Array,
    mean: Array,
    deviation: Array,
    shift: Array | None,
    size: int,
    pad: int,
    enlarge: int,
) -> Array:
    """Return y (N, C, size, size), of the dtype of `mean`.

    images (M, C, H, W) uint8, places (N, 6) int32, mean (C, size, size) or (C, 1, 1),
    deviation (C, 1, 1), shift (N, C).
    """
    xp, columns = array_module(images), places[:, :, None, None, None]
    index, top, left, mirrored, down, right = (columns[:, k] for k in range(PLACES))
    c, line = xp.arange(images.shape[1])[:, None, None], xp.arange(size)
    h, w = line[:, None] + down - pad, line + right - pad
    inside = (h >= 0) & (h < size) & (w >= 0) & (w < size)
    h, w = h.clip(0, size - 1), w.clip(0, size - 1)
    v = xp.where(mirrored != 0, size - 1 - w, w)
    x = images[index, c, (top + h) // enlarge, (left + v) // enlarge].astype(mean.dtype)
    x = (x - (mean[c, h, w] if mean.shape[-1] > 1 else mean)) / deviation
    y = xp.where(inside, x, xp.zeros_like(x))
    return y if shift is None else y + shift[:, :, None, None]


# ---- the same in threads: augment.cu


@augment.cuda
def augment_cuda(
    images: Array,
    places: Array,
    mean: Array,
    deviation: Array,
    shift: Array | None,
    size: int,
    pad: int,
    enlarge: int,
) -> Array:
    """One thread a pixel of the batch."""
    (_, C, H, W), N = images.shape, len(places)
    y = array_module(images).empty((N, C, size, size), mean.dtype)
    launch(
        "augment", "augment", cover(y.size), y, in_rows(images), in_rows(places), in_rows(mean),
        in_rows(deviation), None if shift is None else in_rows(shift), y.size, C, H, W, size, pad,
        enlarge, mean.shape[-1] > 1,
    )  # fmt: skip
    return y
