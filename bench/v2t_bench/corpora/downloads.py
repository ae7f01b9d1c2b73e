"""Fetch a large file over HTTP so that nothing fetched is lost and nothing wrong is kept.

The helpers of the beir package are not used: ``beir.util.download_url`` neither resumes nor
compares a checksum nor looks at the status, so an error page is saved as the archive and a
broken download is taken for a whole one the next time; and importing it takes torch.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2t_bench.canonical import hash_file
from v2t_bench.corpora.disk import check_space, megabytes, writing
from v2t_bench.errors import ServiceFailed

if TYPE_CHECKING:
    from requests import Response

Tell = Callable[[str], None]

CHUNK_BYTES = 2**16
"""Of what a connection delivers before it is cut, less than this much is lost."""

SECONDS_BETWEEN_LINES = 5.0
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT_S = 60.0

_LOGIN = re.compile(r"//[^/?#\s]*@")
_WHICH_CONNECTION = re.compile(r"^(<[^>]*>|\w+\(host=.*?\)): ")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to try.

    Args:
        timeout_s: Seconds without a byte until a connection counts as dead.
        tries: How often in a row nothing may arrive.
        wait_s: Seconds before the second try; they double.
    """

    timeout_s: float = 60.0
    tries: int = 5
    wait_s: float = 1.0


@dataclass(frozen=True)
class _Source:
    """What a half-fetched file is half of, kept beside it."""

    url: str
    etag: str = ""
    modified: str = ""
    total: int = 0

    @property
    def validator(self) -> str:
        # A weak ETag may stand for other bytes, so it cannot hold for a range (RFC 9110, 13.1.5).
        return self.modified if self.etag.startswith("W/") else self.etag or self.modified


class _TryAgain(Exception):
    """The server did not deliver, and may the next time."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


def download(
    url: str, target: Path, *, md5: str, tell: Tell, patience: Patience | None = None
) -> Path:
    """Return ``target`` once it holds what ``url`` offers, with the checksum that it must have.

    What has arrived is kept in ``<target>.partial`` and is not fetched again, in this process
    or a later one; of two at a time, the caller lets one wait. A file that has its name
    already was compared before it got it, and is left alone.

    Args:
        url: What to fetch.
        target: Where to put it; the folder is made.
        md5: Of the whole file; empty where none is published.
        tell: Gets lines of progress.
        patience: How long to try.

    Raises:
        ServiceFailed: the server does not offer it, or something else.
        BadInput: the disk is full, or the folder cannot be written to.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _Download(url, target, md5, tell, patience or Patience()).complete()
    return target


class _Download:
    """One file on its way."""

    def __init__(self, url: str, target: Path, md5: str, tell: Tell, patience: Patience) -> None:
        self.url = url
        self.shown = without_login(url)
        self.target = target
        self.md5 = md5
        self.tell = tell
        self.patience = patience
        self.partial = target.with_name(target.name + ".partial")
        self.about = target.with_name(target.name + ".partial.json")
        self.told = time.monotonic()

    def complete(self) -> None:
        """Fetch what is missing, compare the checksum, and give the file its name."""
        resumed = self.have > 0
        self._fetch()
        found = hash_file(self.partial, "md5") if self.md5 else ""
        if found != self.md5 and resumed:
            self.tell(f"{self.shown}: has another md5 after resuming, so it is fetched anew")
            self._forget()
            self._fetch()
            found = hash_file(self.partial, "md5")
        if found != self.md5:
            n_bytes = self.have
            self._forget()
            raise ServiceFailed(
                f"{self.shown}: what came has md5 {found} ({n_bytes} bytes); expected {self.md5}; "
                "it was removed: try again, or name another mirror"
            )
        self.partial.replace(self.target)
        self.about.unlink(missing_ok=True)

    @property
    def have(self) -> int:
        """Return how many bytes are here."""
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _forget(self) -> None:
        self.partial.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def _fetch(self) -> None:
        """Ask until everything is here, or until nothing more comes."""
        failures = 0
        while True:
            before = self.have
            try:
                self._ask()
            except _TryAgain as trouble:
                failures = 1 if self.have > before else failures + 1
                if failures >= self.patience.tries:
                    raise ServiceFailed(
                        f"{self.shown}: {trouble} (tried {failures} times, {self.have} bytes are "
                        f"here); check the connection and run the same command again: it goes on "
                        "where it stopped"
                    ) from trouble
                wait = trouble.wait_s or self.patience.wait_s * 2 ** (failures - 1)
                self.tell(f"{self.shown}: {trouble}; trying again in {wait:.0f} s")
                time.sleep(min(wait, LONGEST_WAIT_S))
            else:
                return

    def _ask(self) -> None:
        """Make one request for what is missing."""
        import requests

        known = self._known()
        # Compressed on the way, lengths and ranges would count other bytes than those kept.
        headers = {"Accept-Encoding": "identity"}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            if known.validator:
                headers["If-Range"] = known.validator
        try:
            with requests.get(
                self.url, headers=headers, stream=True, timeout=self.patience.timeout_s
            ) as response:
                self._take(response, known)
        except requests.exceptions.Timeout as error:
            raise _TryAgain(f"no answer within {self.patience.timeout_s:g} s") from error
        except requests.exceptions.SSLError as error:
            raise ServiceFailed(
                f"{self.shown}: the server's certificate is not trusted ({_brief(error)})"
            ) from error
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as e:
            what = "proxy" if isinstance(e, requests.exceptions.ProxyError) else "connection"
            raise _TryAgain(f"the {what} failed ({_brief(e)})") from e
        except requests.exceptions.RequestException as error:
            raise ServiceFailed(
                f"{self.shown}: cannot be asked for ({_brief(error)}); expected an http address"
            ) from error

    def _known(self) -> _Source:
        """Return what the bytes here are the beginning of; they are dropped if nobody knows."""
        try:
            known = _Source(**json.loads(self.about.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            known = _Source("")
        if known.url == self.shown:
            return known
        # Another mirror tells another ETag of the same file: the checksum will tell.
        same_file = known.url.rpartition("/")[2] == self.shown.rpartition("/")[2]
        if self.md5 and known.total and same_file:
            return _Source(self.shown, total=known.total)
        self._forget()
        return _Source(self.shown)

    def _take(self, response: Response, known: _Source) -> None:
        """Append what the server sends, or start over where it sends the whole."""
        if response.status_code == 416 and known.total and self.have == known.total:
            return
        if response.status_code == 416:
            self._forget()
            raise _TryAgain("the server has another file than the one begun")
        _check_status(response, self.shown)
        start, total = _extent(response)
        if self.have and start != self.have:
            self.tell(f"{self.shown}: the server sends it from its start, so it is fetched anew")
            self._forget()
        elif known.total and total != known.total:
            self._forget()
            raise _TryAgain("the server has another file than the one begun")
        if start != self.have:
            raise ServiceFailed(f"{self.shown}: sent from byte {start}; expected from {self.have}")
        if total:
            check_space(self.target.parent, total - self.have, self.shown)
        headers = response.headers
        source = _Source(
            self.shown, headers.get("ETag", ""), headers.get("Last-Modified", ""), total
        )
        self.about.write_text(json.dumps(asdict(source)), encoding="utf-8")
        with self.partial.open("ab") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                self._progress(file.tell(), total)
        if total and self.have != total:
            raise _TryAgain(f"the connection ended after {self.have} of {total} bytes")

    def _progress(self, have: int, total: int) -> None:
        if time.monotonic() - self.told > SECONDS_BETWEEN_LINES:
            self.told = time.monotonic()
            of_all = f" of {megabytes(total)}" if total else ""
            self.tell(f"{self.target.name}: {megabytes(have)}{of_all}")


def _check_status(response: Response, url: str) -> None:
    """Refuse an answer that is not the file."""
    status = response.status_code
    if status in (200, 206):
        return
    said = f"the server answers {status} {response.reason}"
    if status in RETRIED:
        after = response.headers.get("Retry-After", "")
        raise _TryAgain(said, float(after) if after.isascii() and after.isdigit() else 0.0)
    raise ServiceFailed(
        f"{url}: {said}; check the address, or get the file elsewhere and put it where it is "
        "looked for"
    )


def _extent(response: Response) -> tuple[int, int]:
    """Return the first byte that the answer holds, and the size of the whole (0: not told)."""
    headers: Mapping[str, Any] = response.headers
    if response.status_code == 200:
        length = headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else 0
    span, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    start = span.partition("-")[0]
    return int(start) if start.isdigit() else -1, int(total) if total.isdigit() else 0


def without_login(url: str) -> str:
    """Return an address as it may be shown: without a name and a password in it."""
    return _LOGIN.sub("//***@", url)


def _brief(error: BaseException) -> str:
    """Return the innermost reason of what a library says at such length, cut."""
    inner = _reason(error)
    said = _WHICH_CONNECTION.sub("", " ".join(str(inner).split())) or type(inner).__name__
    return without_login(said)[:200]


def _reason(error: BaseException) -> BaseException:
    """Return the error that the others are wrapped around."""
    inner = getattr(error, "reason", None) or next(
        (one for one in error.args if isinstance(one, BaseException)), None
    )
    return _reason(inner) if isinstance(inner, BaseException) else error
