"""A server on this machine that speaks OpenAI's embeddings protocol, and fails when told to."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np

from v2t_plugins.embedders.hashed import Hashed


@dataclass(frozen=True)
class Reply:
    """What is answered instead of embeddings."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0


@dataclass
class EmbeddingServer:
    """Hashed vectors over HTTP, twice as long as they should be, on a free port of 127.0.0.1.

    Args:
        key: The only one it takes.
        dim: Of its vectors, where the request names none.
        encoding: ``as asked``, or always lists of numbers, as some servers do.
        script: Replies to the next requests, in order; after the last it answers properly.
    """

    key: str = "sk-a-key-that-nobody-may-see"
    dim: int = 24
    encoding: Literal["as asked", "float"] = "as asked"
    script: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> EmbeddingServer:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=10)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def address(self) -> str:
        return f"http://{self.host}/v1"

    @property
    def sent(self) -> list[list[str]]:
        """The texts of each request."""
        return [request["input"] for request in self.requests]

    def answer(self, request: dict[str, Any]) -> Reply:
        """Return the reply the protocol asks for; the embeddings come last text first."""
        texts: list[str] = request["input"]
        if not texts or "" in texts:
            return Reply(400, {"error": {"message": "'$.input' is invalid."}})
        vectors = 2 * Hashed(dim=request.get("dimensions", self.dim)).embed(texts, "document")
        as_text = self.encoding == "as asked" and request.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vectors[index], as_text)}
            for index in reversed(range(len(texts)))
        ]
        return Reply(body={"object": "list", "model": request["model"], "data": data})


def _encoded(vector: Any, as_text: bool) -> Any:
    if as_text:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def embeddings(vectors: Sequence[Sequence[float]], **changes: Any) -> Reply:
    """Return a reply with these vectors as lists, numbered in order."""
    numbered = [{"index": at, "embedding": list(vector)} for at, vector in enumerate(vectors)]
    return Reply(body={"data": [item | changes for item in numbered]})


def refusal(status: int, message: str, **headers: str) -> Reply:
    """Return an error in OpenAI's form."""
    return Reply(status, {"error": {"message": message, "type": "some_error"}}, headers)


def unit(vectors: Any) -> Any:
    """Return vectors of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _handler(owner: EmbeddingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10  # seconds a connection may be idle

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(body.decode("utf-8"))
            owner.requests.append(request)
            self.reply(self.chosen(request))

        def chosen(self, request: dict[str, Any]) -> Reply:
            if owner.script:
                return owner.script.pop(0)
            if self.path != "/v1/embeddings":
                return refusal(404, f"no such path: {self.path}")
            given = self.headers["Authorization"]
            if given != f"Bearer {owner.key}":
                return refusal(401, f"Incorrect API key provided: {given}")
            return owner.answer(request)

        def reply(self, reply: Reply) -> None:
            time.sleep(reply.wait)
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body)
            raw = content if isinstance(content, bytes) else content.encode()
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                for name, value in reply.headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(raw)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has given up waiting

        def log_message(self, format: str, *values: Any) -> None:  # noqa: A002
            pass

    return Handler
