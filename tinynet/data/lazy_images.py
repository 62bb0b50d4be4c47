"""Lazy images: an array of image files that are read when it is indexed.

`LazyImages` has the shape (N, 3, side, side) and the dtype uint8, but holds only the names of its
files: ``images[indices]`` reads those, on several threads, and nothing is kept. The pixels depend
on the file and on `side` alone, so the number of threads changes only the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinynet.core import processors
from tinynet.core.backend import Array
from tinynet.data.image_files import read_picture

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class LazyImages:
    """The images in files, (N, 3, side, side) uint8, read each time they are indexed.

    Parameters
    ----------
    paths : N files
    side : pixels; the shorter side is resized to this length, and the middle square is taken
    workers : how many files are read at a time; None: one for each processor

    Raises
    ------
    ValueError : if `side` is below 1
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: list[Path], side: int, workers: int | None = None) -> None:
        if side < 1:
            raise ValueError(f"LazyImages: a side has at least 1 pixel. Got side={side}.")
        self.paths = paths
        self.side = side
        self.workers = workers or processors.available()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, side, side)."""
        return len(self.paths), 3, self.side, self.side

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"<LazyImages: {len(self):,} files, read as (3, {self.side}, {self.side}) uint8>"

    def __getitem__(self, which: Any) -> Array:
        """Return images (n, 3, side, side) for a slice or indices (n,), one for an integer."""
        indices = np.arange(len(self))[which]
        if np.ndim(indices) == 0:
            return read_picture(self.paths[int(indices)], self.side)
        return next(self.batches([indices]))

    @property
    def identity(self) -> bytes:
        """The names of all files, each with the folder that holds it."""
        return b"\n".join(os.fsencode(Path(*path.parts[-2:])) for path in self.paths)

    def take(self, indices: Array) -> Self:
        """Return some of the images, still unread."""
        return type(self)([self.paths[i] for i in indices.tolist()], self.side, self.workers)

    def batches(self, chunks: Iterable[Array]) -> Iterator[Array]:
        """Yield the images of each chunk of indices; the next chunk is read meanwhile."""
        from concurrent.futures import ThreadPoolExecutor  # takes a hundredth of a second

        with ThreadPoolExecutor(self.workers, "tinynet-images") as pool:
            ahead: list[tuple[Array, list[Future[None]]]] = []
            try:
                for chunk in chunks:
                    ahead.append(self._begin(pool, chunk))
                    if len(ahead) == 2:
                        yield _finished(*ahead.pop(0))
                while ahead:
                    yield _finished(*ahead.pop(0))
            finally:  # the caller may have stopped early
                pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, chunk: Array) -> tuple[Array, list[Future[None]]]:
        """Return an array for the images of a chunk, and the jobs that fill it."""
        images = np.empty((len(chunk), *self.shape[1:]), np.uint8)

        def fill(row: int, path: Path) -> None:
            images[row] = read_picture(path, self.side)

        paths = [self.paths[i] for i in chunk.tolist()]
        return images, [pool.submit(fill, row, path) for row, path in enumerate(paths)]


def _finished(images: Array, parts: list[Future[None]]) -> Array:
    for part in parts:
        part.result()
    return images


def read_chunks(images: Array, chunks: Iterable[Array]) -> Iterator[Array]:
    """Yield the images of each chunk of indices; those in files are read one chunk ahead."""
    if isinstance(images, LazyImages):
        yield from images.batches(chunks)
    else:
        yield from (images[indices] for indices in chunks)
