"""An embeddings endpoint that speaks OpenAI's protocol, asked through the openai package.

Address and key come from the environment. The key is given to the client and to nothing else:
it is in no space, no result and no message.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, ServiceFailed
from v2t_plugins.embedders.openai_answer import vectors_of
from v2t_plugins.one_line import one_line

ADDRESS = "OPENAI_BASE_URL"
KEY = "OPENAI_API_KEY"
OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One server and how patiently it is asked.

    Args:
        host: Its name, with the port where one is given.
        retries: After a refusal for the rate, a failure of the server, or no answer; the
            client waits longer each time, or as long as the server says.
        timeout: Seconds to wait for one answer.
        client: The openai package's client.
    """

    host: str
    retries: int
    timeout: float
    client: Any = field(repr=False, compare=False)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own."""
        return self.host == urlsplit(OPENAI).netloc

    def embeddings(self, model: str, texts: list[str], dimensions: int | None) -> Vectors:
        """Return the vectors of one request, (n, d), in the order of the texts, of length 1.

        Raises:
            ServiceFailed: the server refused or did not answer, or its answer is of no use.
        """
        import openai

        optional = {} if dimensions is None else {"dimensions": dimensions}
        try:
            # Raw, so that the answer is read here: the client checks neither order nor number.
            answer = self.client.embeddings.with_raw_response.create(
                model=model, input=texts, encoding_format="base64", **optional
            )
            body = json.loads(answer.http_response.content)
        # Not chained: what the client raises may quote what the server said about the key.
        except openai.OpenAIError as error:
            raise ServiceFailed(f"openai: {self._what_happened(error, model)}") from None
        except (ValueError, RecursionError):
            raise ServiceFailed(
                f"openai: {self.host} answered with something that is not JSON; check {ADDRESS}"
            ) from None
        return vectors_of(body, rows=len(texts), who=f"openai: {self.host}")

    def _what_happened(self, error: Exception, model: str) -> str:
        import openai

        times = "once" if self.retries == 0 else f"{self.retries + 1} times"
        if isinstance(error, openai.APITimeoutError):
            return (
                f"{self.host} gave no answer within {self.timeout:g} s, asked {times}; try later, "
                "or raise timeout"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = self._without_key(str(error.__cause__))
            return f"{self.host} cannot be reached, tried {times} ({cause}); check {ADDRESS}"
        if not isinstance(error, openai.APIStatusError):
            return f"the client failed ({type(error).__name__})"
        status = error.status_code
        if status in (401, 403):
            # What the server says of this may quote a part of the key.
            return f"{self.host} refused the key (HTTP {status}); check {KEY}"
        said = f"HTTP {status}: {self._without_key(_message(error.body))}"
        if status == 404:
            return (
                f"{self.host} has no model {model!r}, or no embeddings at this address ({said}); "
                f"check the name and {ADDRESS}"
            )
        if status == 429:
            return f"{self.host} limits rate or quota, asked {times} ({said}); try later"
        if status >= 500:
            return f"{self.host} failed, asked {times} ({said}); try later"
        return f"{self.host} refused the request ({said})"

    def _without_key(self, message: str) -> str:
        return one_line(message.replace(self.client.api_key, f"<{KEY}>"))


def _message(body: object) -> str:
    """Return what the server said about an error, without the JSON around it."""
    if isinstance(body, dict):
        return str(body.get("message") or body)
    return str(body or "no reason given")


def endpoint(*, offline: bool, retries: int, timeout: float) -> Endpoint:
    """Return the endpoint that the environment names; nothing is sent yet.

    Raises:
        BadInput: the package openai or the key is missing, or the address cannot be used.
    """
    address = os.environ.get(ADDRESS) or OPENAI
    host = _host(address, offline=offline)
    try:
        import openai
    except ImportError as error:
        raise BadInput(
            "openai needs a package that is not installed; pip install 'v2t-bench[openai]'"
        ) from error
    client = openai.OpenAI(api_key=_key(), base_url=address, max_retries=retries, timeout=timeout)
    return Endpoint(host=host, retries=retries, timeout=timeout, client=client)


def _host(address: str, *, offline: bool) -> str:
    try:
        parts = urlsplit(address)
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    if name is None or parts.scheme not in ("http", "https"):
        raise BadInput(
            f"openai: {ADDRESS} is no http or https address; expected {OPENAI}, or alike"
        )
    if offline and not _is_here(name):
        raise BadInput(
            f"openai: {name} is not on this machine, and --offline forbids to ask it; leave "
            f"--offline out, or let {ADDRESS} name a server on 127.0.0.1"
        )
    return name if port is None else f"{name}:{port}"


def _is_here(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _key() -> str:
    key = os.environ.get(KEY, "")
    if not key:
        raise BadInput(
            f"openai needs a key in the environment variable {KEY}; a server of your own may "
            "take any word"
        )
    # The client would quote such a key when the header is refused.
    if not all("!" <= character <= "~" for character in key):
        raise BadInput(f"openai: {KEY} holds a space, a line break or another odd character")
    return key
