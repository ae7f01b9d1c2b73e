"""A server on this machine that speaks as much of the Hugging Face Hub as downloads need."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.fetched: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Hub
    commit = COMMIT

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:1] == ["api"] and parts[1:2] in (["models"], ["datasets"]):
            revision = next((part for part in parts[4:] if len(part) == len(COMMIT)), COMMIT)
            self._describe(self.server.folder.joinpath(*parts[2:4]), "tree" in parts, revision)
        else:  # [datasets/]<owner>/<name>/resolve/<revision>/<file>
            parts = parts[parts[0] == "datasets" :]
            file = self.server.folder.joinpath(*parts[:2], *parts[4:])
            self.commit = next((part for part in parts[3:4] if len(part) == len(COMMIT)), COMMIT)
            self._send_file(file, with_body=with_body)

    def _describe(self, repository: Path, tree: bool, revision: str) -> None:
        if not repository.is_dir():
            self._refuse("RepoNotFound")
            return
        files = {
            path.relative_to(repository).as_posix(): path
            for path in sorted(repository.rglob("*"))
            if path.is_file()
        }
        told: Any = [
            {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
            for name, path in files.items()
        ]
        if not tree:
            name = "/".join(repository.parts[-2:])
            siblings = [{"rfilename": file} for file in files]
            told = {"id": name, "sha": revision, "siblings": siblings, "tags": []}
        self._send(json.dumps(told).encode(), etag="told", with_body=True)

    def _send_file(self, path: Path, *, with_body: bool) -> None:
        if not path.is_file():
            self._refuse("EntryNotFound")
            return
        if with_body:
            self.server.fetched.append(path.relative_to(self.server.folder).as_posix())
        self._send(path.read_bytes(), etag=_etag(path), with_body=with_body)

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, *, etag: str, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve ``folder``/<owner>/<name> as repositories of models, or of datasets.

    Yields the address, and the paths of files as they are fetched.
    """
    hub = _Hub(folder)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{hub.server_port}", hub.fetched
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join(timeout=10)
