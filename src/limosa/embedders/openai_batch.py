"""OpenAI's batch endpoint: a file of requests goes up, a job works through it, files of answers come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import orjson

from limosa.embedders.decoding import from_base64, from_numbers
from limosa.embedders.jobs import ENDED, Desk
from limosa.embedders.prefix import prefixed
from limosa.errors import LimosaError
from limosa.model.batch import Kind
from limosa.ports.batches import BatchLimits, JobState, Result

__all__ = ["LIMITS", "OpenAIBatches"]

LIMITS = BatchLimits(
    # As many requests as embedding inputs: one text a request loses nothing, and an error names its text.
    requests=50_000,
    size_bytes=200_000_000,
    # One page of the list. The tokens that wait are bounded by the account: a job over them fails and is sent again.
    jobs=100,
    price_factor=0.5,
    window_s=24 * 3600.0,
    source="https://developers.openai.com/api/docs/guides/batch, as copies of its reference have it, seen 2026-11-21",
)
"""50,000 requests, 50,000 embedding inputs and 200 MB a job, half the price, within 24 hours."""

_STATES = {"completed": "done"}
"""Those that end a job and have another name here."""

_CROWDED = "token_limit_exceeded"
"""The code of a job that failed because the tokens of jobs before it fill the account's queue (seen 2026-11-21)."""

_PAGE = 100
"""Most batches on one page of the list, by the reference."""

_SKEW_S = 600.0
"""How far the provider's clock and the ledger's may be apart."""


class OpenAIBatches:
    """Jobs of one model at ``{base_url}/files`` and ``{base_url}/batches``.

    Args:
        sized: whether ``dimensions`` is asked for.
    """

    def __init__(self, desk: Desk, *, sized: Callable[[], bool]) -> None:
        self._desk = desk
        self._sized = sized

    @property
    def limits(self) -> BatchLimits:
        """What it takes as a job."""
        return LIMITS

    def submit(self, texts: Mapping[str, str], kind: Kind, *, tag: str) -> str:
        """Uploads the requests as a file, and makes a job of it that carries the tag in its metadata."""
        body, content_type = _form(tag, b"".join(self._lines(texts, kind)))
        uploaded = self._desk.call("POST", "/files", body, headers={"Content-Type": content_type})
        batch = {
            "input_file_id": uploaded["id"],
            "endpoint": "/v1/embeddings",
            "completion_window": "24h",
            "metadata": {"limosa": tag},
        }
        try:
            return str(self._desk.call("POST", "/batches", orjson.dumps(batch))["id"])
        except LimosaError:
            self._remove(str(uploaded["id"]))
            raise

    def find(self, tag: str, *, since_s: float) -> str | None:
        """The job with this tag, from the newest back to ``since_s``."""
        after = ""
        while True:
            page = self._desk.call("GET", f"/batches?limit={_PAGE}{after}")
            jobs: list[dict[str, Any]] = page.get("data") or []
            for job in jobs:
                if (job.get("metadata") or {}).get("limosa") == tag:
                    return str(job["id"])
            if not jobs or not page.get("has_more") or float(jobs[-1].get("created_at") or 0) < since_s - _SKEW_S:
                return None
            after = f"&after={quote(str(jobs[-1]['id']), safe='')}"

    def look(self, job: str) -> JobState:
        """How the job stands; one that is being cancelled runs until its results are there."""
        found = self._desk.known(_path(job))
        if found is None:
            return JobState(state="gone", reason="the provider does not know the job any more")
        counts = found.get("request_counts") or {}
        errors = (found.get("errors") or {}).get("data") or []
        said = "; ".join(dict.fromkeys(str(each.get("message") or each.get("code")) for each in errors[:3]))
        state = _STATES.get(str(found.get("status")), str(found.get("status")))
        return JobState(
            state=ENDED.get(state, "running"),
            done=int(counts.get("completed") or 0),
            failed=int(counts.get("failed") or 0),
            total=int(counts.get("total") or 0),
            reason=self._desk.wire.quiet(said),
            crowded=any(each.get("code") == _CROWDED for each in errors),
        )

    def fetch(self, job: str) -> Iterator[Result]:
        """Results from the output file, then the errors from the other; either may be missing."""
        found = self._desk.known(_path(job)) or {}
        for name in ("output_file_id", "error_file_id"):
            if found.get(name):
                path = f"/files/{quote(str(found[name]), safe='')}/content"
                for line in self._desk.wire.lines(path, refuse=self._desk.refused):
                    yield _result(self._desk, line)

    def cancel(self, job: str) -> None:
        """Asks for the job's end; what was made until then can be fetched some minutes later."""
        if self.look(job).state == "running":
            reply = self._desk.wire.send("POST", f"{_path(job)}/cancel")
            # 409 and 400: it ended, or is being cancelled, already.
            if reply.status not in {200, 400, 404, 409}:
                raise self._desk.refused(reply)

    def forget(self, job: str) -> None:
        """Deletes the job's files; the job itself, without texts, stays in the list."""
        found = self._desk.known(_path(job)) or {}
        for name in ("input_file_id", "output_file_id", "error_file_id"):
            if found.get(name):
                self._remove(str(found[name]))

    def _lines(self, texts: Mapping[str, str], kind: Kind) -> Iterator[bytes]:
        space = self._desk.space
        asked: dict[str, object] = {"model": space.model, "encoding_format": "base64"}
        if self._sized():
            asked["dimensions"] = space.dimensions
        for key, text in zip(texts, prefixed(space, list(texts.values()), kind), strict=True):
            request = {"custom_id": key, "method": "POST", "url": "/v1/embeddings", "body": {**asked, "input": text}}
            yield orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE)

    def _remove(self, file: str) -> None:
        with suppress(LimosaError):
            self._desk.wire.send("DELETE", f"/files/{quote(file, safe='')}")


def _path(job: str) -> str:
    return f"/batches/{quote(job, safe='')}"


def _form(tag: str, content: bytes) -> tuple[bytes, str]:
    """A body of two parts, the purpose and the file, and its content type (RFC 7578)."""
    head = (
        f'--{tag}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{tag}\r\nContent-Disposition: form-data; name="file"; filename="{tag}.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    return b"".join([head.encode(), content, f"\r\n--{tag}--\r\n".encode()]), f"multipart/form-data; boundary={tag}"


def _result(desk: Desk, line: bytes) -> Result:
    try:
        found = orjson.loads(line)
        key, response = str(found["custom_id"]), found.get("response") or {}
        if response.get("status_code") != 200:
            error = found.get("error") or (response.get("body") or {}).get("error") or {}
            return Result(id=key, vector=None, reason=str(error.get("message") or "the request was not run"))
        body = response["body"]
        embedding = body["data"][0]["embedding"]
        tokens = (body.get("usage") or {}).get("prompt_tokens")
        vector = desk.vector(from_base64(embedding) if isinstance(embedding, str) else from_numbers(embedding))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        return Result(id="", vector=None, reason=f"a line cannot be read ({type(exc).__name__})")
    return Result(id=key, vector=vector, tokens=int(tokens) if tokens is not None else None)
