"""Google's batch endpoint of the Gemini API: a file of requests goes up, a job works through it, a file comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from limosa.embedders.decoding import from_numbers
from limosa.embedders.jobs import ENDED, Desk
from limosa.embedders.prefix import prefixed
from limosa.errors import LimosaError, Refused
from limosa.model.batch import Kind
from limosa.model.space import Space
from limosa.ports.batches import BatchLimits, JobState, Result

__all__ = ["LIMITS", "GoogleBatches"]

LIMITS = BatchLimits(
    # Not stated; a chunk of the ledger is smaller, and the file's size bounds the rest.
    requests=50_000,
    size_bytes=2 * 10**9,
    # Half of the 100 that may be under way, so that whatever else uses the account has room.
    jobs=50,
    price_factor=0.5,
    window_s=48 * 3600.0,
    source="https://ai.google.dev/gemini-api/docs/batch-api and /rate-limits, as public copies have them, 2026-11-21",
)
"""2 GB a file, 100 jobs at once, half the price; answered within 24 hours as a rule, expired after 48."""

_STATES = {"succeeded": "done"}
"""Those that end a job and have another name here."""


class GoogleBatches:
    """Jobs of one model: ``POST models/{model}:asyncBatchEmbedContent``, ``batches`` and ``files``.

    Always by a file: results of a job whose requests came in the call are one answer of any size.

    Args:
        each: the request for one text.

    Source: https://ai.google.dev/api/batch-api and https://ai.google.dev/api/files, as public copies have them, and
    google-genai 3.4, seen 2026-11-21.
    """

    def __init__(self, desk: Desk, *, each: Callable[[Space, str, Kind], dict[str, Any]]) -> None:
        self._desk = desk
        self._each = each

    @property
    def limits(self) -> BatchLimits:
        """What it takes as a job."""
        return LIMITS

    def submit(self, texts: Mapping[str, str], kind: Kind, *, tag: str) -> str:
        """Uploads the requests as a file, and makes a job of it that has the tag as its display name."""
        space = self._desk.space
        lines = (
            orjson.dumps({"key": key, "request": self._each(space, text, kind)}, option=orjson.OPT_APPEND_NEWLINE)
            for key, text in zip(texts, prefixed(space, list(texts.values()), kind), strict=True)
        )
        file = self._upload(b"".join(lines), tag)
        name = quote(space.model.removeprefix("models/"), safe="")
        batch = {"batch": {"displayName": tag, "inputConfig": {"fileName": file}}}
        try:
            made = self._desk.call("POST", f"/models/{name}:asyncBatchEmbedContent", orjson.dumps(batch))
        except LimosaError:
            self._remove(file)
            raise
        return str(made["name"])

    def find(self, tag: str, *, since_s: float) -> str | None:
        """The job with this tag, on any page of the list: its order is not stated."""
        token = ""
        while True:
            page = self._desk.call("GET", f"/batches?pageSize=100{token}")
            for job in page.get("operations") or []:
                if (job.get("metadata") or {}).get("displayName") == tag:
                    return str(job["name"])
            if not page.get("nextPageToken"):
                return None
            token = f"&pageToken={quote(str(page['nextPageToken']), safe='')}"

    def look(self, job: str) -> JobState:
        """How the job stands."""
        found = self._desk.known(f"/{job}")
        if found is None:
            return JobState(state="gone", reason="the provider does not know the job any more")
        about = found.get("metadata") or {}
        stats = about.get("batchStats") or {}
        # BATCH_STATE_SUCCEEDED by the reference, JOB_STATE_SUCCEEDED in Google's own library.
        name = str(about.get("state") or "").rpartition("STATE_")[2].lower()
        return JobState(
            state=ENDED.get(_STATES.get(name, name), "running"),
            done=int(stats.get("successfulRequestCount") or 0),
            failed=int(stats.get("failedRequestCount") or 0),
            total=int(stats.get("requestCount") or 0),
            reason=self._desk.wire.quiet(str((found.get("error") or {}).get("message") or "")),
        )

    def fetch(self, job: str) -> Iterator[Result]:
        """Results from the file of responses, which may be missing; lines without a key are left out."""
        found = self._desk.known(f"/{job}") or {}
        file = _responses(found)
        if not file:
            return
        wire = self._desk.wire
        path = f"/download{wire.path}/{file}:download?alt=media"
        for line in wire.root.lines(path, refuse=self._desk.refused):
            yield _result(self._desk, line)

    def cancel(self, job: str) -> None:
        """Asks for the job's end; what was made until then may or may not be given."""
        if self.look(job).state == "running":
            reply = self._desk.wire.send("POST", f"/{job}:cancel", b"{}")
            if reply.status not in {200, 400, 404, 409}:
                raise self._desk.refused(reply)

    def forget(self, job: str) -> None:
        """Deletes the results, then the job; the uploaded file is deleted by Google after 48 hours."""
        found = self._desk.known(f"/{job}")
        if found is None:
            return
        file = _responses(found)
        if file:
            self._remove(file)
        with suppress(LimosaError):
            self._desk.wire.send("DELETE", f"/{job}")

    def _upload(self, content: bytes, tag: str) -> str:
        """The file's name, by the resumable way in two requests: the only one that Google's guide shows."""
        root, path = self._desk.wire.root, f"/upload{self._desk.wire.path}/files"
        start = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(len(content)),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        about = {"file": {"displayName": tag, "mimeType": "application/jsonl"}}
        reply = root.send("POST", path, orjson.dumps(about), headers=start)
        if reply.status != 200:
            raise self._desk.refused(reply)
        to = urlsplit(reply.headers.get("X-Goog-Upload-URL") or "")
        if to.netloc != root.destination:
            raise Refused(
                f"{root.destination} sends the upload on to another address.",
                needed="An address that takes it itself: texts and key go to no place that the file does not name.",
                do='Set lane = "direct" in [backfill], or base_url to the final address.',
            )
        send = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize"}
        reply = root.send("POST", f"{to.path}?{to.query}", content, headers=send)
        if reply.status != 200:
            raise self._desk.refused(reply)
        return str(orjson.loads(reply.body)["file"]["name"])

    def _remove(self, file: str) -> None:
        with suppress(LimosaError):
            self._desk.wire.send("DELETE", f"/{file}")


def _responses(operation: dict[str, Any]) -> str:
    """Name of the file of responses, where the job's description has it or its answer; empty while there is none."""
    told = (operation.get("metadata") or {}).get("output") or operation.get("response") or {}
    return str(told.get("responsesFile") or "")


def _result(desk: Desk, line: bytes) -> Result:
    try:
        found = orjson.loads(line)
        key, response = str(found.get("key") or ""), found.get("response")
        if not response:
            error = found.get("error") or {}
            return Result(id=key, vector=None, reason=str(error.get("message") or "the request was not run"))
        tokens = response.get("tokenCount", (response.get("usageMetadata") or {}).get("promptTokenCount"))
        vector = desk.vector(from_numbers(response["embedding"]["values"]))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        return Result(id="", vector=None, reason=f"a line cannot be read ({type(exc).__name__})")
    return Result(id=key, vector=vector, tokens=int(tokens) if tokens is not None else None)
