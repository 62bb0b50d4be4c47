"""A server on this machine that resumes, breaks off, lies, stalls and refuses."""

import contextlib
import hashlib
import http.server
import threading
import time

import numpy as np

from tinynet.data.download import Source

CONTENT = np.random.default_rng(0).bytes(300_000)


def source_of(name, content, *mirrors):
    """Return the Source that describes exactly this content."""
    return Source(name, len(content), hashlib.md5(content).hexdigest(), mirrors)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's `files` in the way that the first part of the path says."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        _, way, name = self.path.split("/")
        offset = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.server.asked.append((way, offset))
        with contextlib.suppress(ConnectionError):
            getattr(self, way)(self.server.files[name], offset)

    def send(self, data, offset=0, length=None):
        self.send_response(206 if offset else 200)
        self.send_header("Content-Length", str(len(data) - offset if length is None else length))
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[offset:])

    def good(self, data, offset):
        self.send(data, offset)

    def forgetful(self, data, offset):
        self.send(data)  # knows nothing of ranges: answers 200, from the start

    def breaks(self, data, offset):
        self.send(data[: offset + self.server.piece], offset, length=len(data) - offset)

    def stops(self, data, offset):
        self.send(data[:70_000])  # shorter, and says so

    def wrong(self, data, offset):
        self.send(data[:-1] + b"!", offset)

    def endless(self, data, offset):
        self.send(data + bytes(500_000), offset)

    def shifted(self, data, offset):
        if not offset:
            self.send(data)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {offset + 1}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[offset + 1 :])

    def encoded(self, data, offset):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")  # as some stores do with a .gz file
        self.end_headers()
        self.wfile.write(data)

    def slow(self, data, offset):
        time.sleep(1.0)
        self.send(data, offset)

    def refuses(self, data, offset):
        self.send_error(403)

    def log_message(self, *args):
        pass


def serving():
    """Yield a server, as a fixture; server.url("breaks") is a mirror that breaks off."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.piece = {"pictures.bin": CONTENT}, [], 100_000
    server.url = lambda way, name="pictures.bin": (
        f"http://127.0.0.1:{server.server_port}/{way}/{name}"
    )
    server.source = lambda *ways: source_of("pictures.bin", CONTENT, *map(server.url, ways))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
