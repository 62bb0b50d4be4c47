"""Local page of a trained network: an image goes in, probabilities and feature maps come back.

The server of the standard library listens on the loopback interface alone. A page of another
address that a browser has open cannot use it: requests with another Host or Origin are refused.
"""

from __future__ import annotations

import http.server
import json
import sys
import tempfile
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from tinynet import inspection
from tinynet.analysis import serve_page
from tinynet.analysis.trace_page import shades
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.inspection.activations import Activation
from tinynet.plot import style, tiles
from tinynet.training.predict import TrainedModel, ranked, read_image
from tinynet.words import Sentence, message, phrase, sentence, spoken

LOOPBACK = "127.0.0.1"
LARGEST = 20 << 20  # bytes of an image
MOST_DISCARDED = 1 << 30  # bytes of a refused file that are read and dropped
CHUNK = 1 << 16
PATIENCE = 10  # seconds without a byte from the browser
SHOWN = 5  # classes
MAPS = 8  # of a layer, the strongest
LAYERS = 8
SIDE = 64  # pixels of a map, at most
GRAY = (64, 64)  # pixels of the image that is answered before all others
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class PredictionServer(http.server.ThreadingHTTPServer):
    """A server for one network on the loopback interface.

    Parameters
    ----------
    trained : TrainedModel
    port : int
        0 is any free one.

    Attributes
    ----------
    address : str
        Of the page, for a browser.
    """

    daemon_threads = True

    def __init__(self, trained: TrainedModel, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.trained = trained
        self.one_at_a_time = threading.Lock()

    @property
    def address(self) -> str:
        """Of the page, for a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The values of the Host header that are answered."""
        return tuple(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a browser leaves before its answer: a page was closed or reloaded."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def warm_up(self) -> None:
        """Answer a gray image, so that the kernels are there when the first one comes."""
        gray = np.full((*GRAY, 3), 128, np.uint8)
        self.answer(style.png(gray))

    def answer(self, data: bytes) -> dict[str, Any]:
        """Return what the page shows about the bytes of an image file.

        Raises
        ------
        DataError
            They are not an image that can be read.
        """
        image = _decoded(self.trained, data)
        with self.one_at_a_time:
            seen = self.trained.seen(image[None])[0]
            shares = self.trained.probabilities(image[None])[0]
            layers = inspection.activations(
                self.trained.model, seen, prepare=self.trained.normalize
            )
        best = ranked(self.trained, shares)[:SHOWN]
        pixels = np.rint(255 * tiles.viewable(seen)).astype(np.uint8)
        return {
            "classes": [{"name": name, "probability": p} for name, p in best],
            "seen": style.png_address(pixels),
            "layers": [_drawn(layer) for layer in _with_maps(layers)],
        }


def _decoded(trained: TrainedModel, data: bytes) -> Array:
    """Return the image in some bytes, by the reader of image files."""
    with tempfile.TemporaryDirectory(prefix="tinynet-") as folder:
        path = Path(folder, "image")
        path.write_bytes(data)
        try:
            return read_image(trained.recipe, path)
        except DataError as error:
            told = message(error)
            fault = told.fields.get("fault", told) if isinstance(told, Sentence) else str(error)
            text = spoken(fault).replace(str(path), phrase("the image"))
            raise DataError(sentence("{error} Choose another file.", error=text)) from None


def _with_maps(layers: list[Activation]) -> list[Activation]:
    """Return some layers with maps: the ReLUs, or all where there are none."""
    maps = [each for each in layers if each.output.ndim == 4 and each.output[0, 0].size > 1]
    kept = [each for each in maps if each.kind == "ReLU"] or maps
    if len(kept) > LAYERS:
        kept = [kept[round(i)] for i in np.linspace(0, len(kept) - 1, LAYERS)]
    return kept


def _drawn(layer: Activation) -> dict[str, Any]:
    maps = layer.output[0]
    order = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:MAPS]
    step = -(-max(maps.shape[1:]) // SIDE)
    grid = tiles.grid(maps[order][:, ::step, ::step].astype(np.float64), MAPS, seam=np.nan)
    size = "x".join(map(str, maps.shape))
    said = "{layer}: the {count} strongest of {size}"
    caption = phrase(said, layer=layer.label, count=len(order), size=size)
    return {"name": caption, "image": style.png_address(shades(grid))}


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET / with the page and POST /predict with JSON."""

    server: PredictionServer
    timeout = PATIENCE
    server_version = "tinynet"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        if self.path != "/":
            self._send(HTTPStatus.NOT_FOUND, {"error": phrase("There is nothing at this address.")})
            return
        text = serve_page.page(self.server.trained)
        self._write(HTTPStatus.OK, "text/html; charset=utf-8", text.encode())

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        if self.path != "/predict":
            self._send(HTTPStatus.NOT_FOUND, {"error": phrase("There is nothing at this address.")})
            return
        data = self._body()
        if data is None:
            return
        try:
            self._send(HTTPStatus.OK, self.server.answer(data))
        except DataError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": spoken(error)})

    def _is_ours(self) -> bool:
        """Return whether the request is for this server and from its own page; else refuse it."""
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        allowed = {f"http://{name}" for name in self.server.hosts}
        if host in self.server.hosts and (origin is None or origin in allowed):
            return True
        said = "This server answers its own page, {address}, alone."
        why = phrase(said, address=self.server.address)
        self._send(HTTPStatus.FORBIDDEN, {"error": why})
        return False

    def _body(self) -> bytes | None:
        """Return the bytes of the image, or None after an answer that refuses them."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._send(
                HTTPStatus.LENGTH_REQUIRED, {"error": phrase("The image comes with its length.")}
            )
            return None
        size = int(length[:12])
        if not 0 < size <= LARGEST or len(length) > 12:
            said = (
                "The file has {size:,.1f} MiB; {most} MiB is the limit. Choose a smaller copy of "
                "the image."
            )
            large = phrase(said, size=size / 2**20, most=LARGEST >> 20)
            error = large if size else phrase("The file is empty.")
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": error})
            self._discard(size)
            return None
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            self._send(HTTPStatus.BAD_REQUEST, {"error": phrase("The image is incomplete.")})
            return None
        return data

    def _discard(self, size: int) -> None:
        """Drop what the browser still sends: closing before would reset its connection unheard."""
        left = min(size, MOST_DISCARDED)
        while left > 0:
            data = self.rfile.read(min(left, CHUNK))
            if not data:
                return
            left -= len(data)

    def _send(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._write(status, "application/json", json.dumps(value).encode())

    def _write(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing about each request."""
