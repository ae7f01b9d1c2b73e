"""A server on this machine that offers files as a mirror does, well or badly."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """What is offered, how, and what was asked for.

    Args:
        files: Content by path.
        ranges: Whether a range of a file can be had.
        etag: What is sent as ETag; empty: none.
        cut_after: How many bytes each next answer sends before the connection is cut.
        statuses: What each next answer says instead of delivering.
        silent_s: How long each answer waits.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: str = '"v1"'
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    silent_s: float = 0.0
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        mirror = self.mirror
        span = self.headers.get("Range", "")
        name = self.path.strip("/")
        mirror.asked.append((name, span))
        time.sleep(mirror.silent_s)
        if mirror.statuses:
            self._refuse(mirror.statuses.pop(0))
            return
        if name not in mirror.files:
            self._refuse(404)
            return
        content = mirror.files[name]
        start = 0
        fits = self.headers.get("If-Range", mirror.etag) == mirror.etag
        if span and mirror.ranges and fits:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._refuse(416)
                return
        self.send_response(206 if start else 200)
        if start:
            end = f"{start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", f"bytes {end}")
        self.send_header("Content-Length", str(len(content) - start))
        if mirror.etag:
            self.send_header("ETag", mirror.etag)
        self.end_headers()
        length = mirror.cut_after.pop(0) if mirror.cut_after else len(content)
        self.wfile.write(content[start : start + length])
        self.close_connection = True

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@contextlib.contextmanager
def mirroring(files: dict[str, bytes]) -> Iterator[Mirror]:
    """Offer ``files`` for as long as the context lasts."""
    mirror = Mirror(files=dict(files))
    handler = type("Handler", (_Handler,), {"mirror": mirror})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    mirror.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
