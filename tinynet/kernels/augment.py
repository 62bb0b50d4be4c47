r"""Image augmentation in one pass: index, crop, flip, normalize and pad a batch of bytes.

    y[n, c, i, j] = (images[index[n], c, (top[n] + h) // enlarge, (left[n] + v) // enlarge]
                     - mean[c, h, w]) / deviation[c] + shift[n, c]

    h = i + down[n] - pad, w = j + right[n] - pad       the place in the picture that was cut out
    v = size - 1 - w where mirrored[n], else w          and where its pixel comes from
    outside of 0 .. size - 1 the quotient is 0: the border lies around normalized images

On a GPU the data set stays where it is, in bytes, and a step sends six small integers an image.
What is random in them is drawn on the host by `data.DataLoader`, the same for every device.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel


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
    """Return the batch y (N, C, size, size), of the dtype of `mean`.

    Parameters
    ----------
    images : (M, C, H, W) uint8, the data set
    places : (N, 6) int32: index, top, left, mirrored, down, right
    mean : (C, size, size) or (C, 1, 1)
    deviation : (C, 1, 1)
    shift : (N, C) or None
    size, pad : pixels
    enlarge : the side of the square that each pixel becomes
    """
    xp = array_module(images)
    index, top, left, mirrored, down, right = places.T[:, :, None, None, None]
    c = xp.arange(images.shape[1])[:, None, None]
    h = xp.arange(size)[:, None] + down - pad
    w = xp.arange(size) + right - pad
    inside = (h >= 0) & (h < size) & (w >= 0) & (w < size)
    h = h.clip(0, size - 1)
    w = w.clip(0, size - 1)
    v = xp.where(mirrored != 0, size - 1 - w, w)
    x = images[index, c, (top + h) // enlarge, (left + v) // enlarge].astype(mean.dtype)
    x = (x - (mean[c, h, w] if mean.shape[-1] > 1 else mean)) / deviation
    y = xp.where(inside, x, xp.zeros_like(x))
    return y if shift is None else y + shift[:, :, None, None]


# ---- in CUDA: augment.cu

augment.takes_bytes = True


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
    """Use one thread for each value of the batch."""
    _, C, H, W = images.shape
    y = array_module(images).empty((len(places), C, size, size), mean.dtype)
    launch(
        "augment",
        "augment",
        cover(y.size),
        y,
        in_rows(images),
        in_rows(places),
        in_rows(mean),
        in_rows(deviation),
        None if shift is None else in_rows(shift),
        y.size,
        C,
        H,
        W,
        size,
        pad,
        enlarge,
        mean.shape[-1] > 1,
    )
    return y
