"""Google's files and batch jobs: ``:asyncBatchEmbedContent``, ``/v1beta/batches`` and ``/v1beta/files``."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.providers.batches import Item, Job, Outcome, State, Stored
from tests.providers.dialect import Backroom, Dialect
from tests.providers.exchange import Answer, Problem, Request
from tests.providers.faults import Fault
from tests.providers.multipart import parts_of
from tests.providers.protocols.google import field_of, question_of

__all__ = ["GoogleBatches"]

_CREATE = re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):asyncBatchEmbedContent$")
_JOB = re.compile(r"^/v1(?:beta|alpha)?/batches/([^/:]+)(:cancel)?$")
_JOBS = re.compile(r"^/v1(?:beta|alpha)?/batches$")
_FILE = re.compile(r"^(?:/download)?/v1(?:beta|alpha)?/files/([^/:]+)(:download)?$")
_UPLOAD = re.compile(r"^/upload/v1(?:beta|alpha)?/files$")

_STATES: dict[State, str] = {
    "validating": "PENDING", "running": "RUNNING", "finalizing": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED",
    "expired": "EXPIRED", "cancelling": "RUNNING", "cancelled": "CANCELLED",
}  # fmt: skip

_KIND = "type.googleapis.com/google.ai.generativelanguage.v1main."

# Codes of google.rpc.Code, which stand in results where HTTP has its status.
_CODES = {400: 3, 404: 5, 429: 8, 500: 13, 503: 14}


class GoogleBatches:
    """Uploads, jobs as long-running operations, and their results in the answer or in a file."""

    def __init__(self, backroom: Backroom, dialect: Dialect) -> None:
        self._batches = backroom.batches
        # Two looks at once must not leave a job's files twice.
        self._lock = threading.Lock()
        self._dialect = dialect
        self._uploads: dict[str, tuple[str, str]] = {}
        self._numbers = itertools.count(1)

    def knows(self, request: Request) -> bool:
        """Whether the request is about files or batches."""
        return any(known.match(request.path) for known in (_CREATE, _JOB, _JOBS, _FILE, _UPLOAD))

    def admits(self, request: Request) -> bool:
        """The address that an upload was given is its key."""
        return request.query.get("upload_id") in self._uploads

    def answer(self, request: Request) -> Answer:
        """What became of a file or a job."""
        with self._lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Answer:
        if found := _CREATE.match(request.path):
            return self._create(found[1], request.json())
        if found := _JOB.match(request.path):
            return self._job(request.method, found[1], cancel=found[2] is not None)
        if _JOBS.match(request.path):
            return Answer(body={"operations": [self._told(job) for job in reversed(self._batches.jobs.values())]})
        if found := _FILE.match(request.path):
            return self._file(request.method, found[1], content=found[2] is not None)
        return self._upload(request)

    def _upload(self, request: Request) -> Answer:
        """The resumable way of the SDK in its steps, or everything at once in two parts."""
        if request.header("X-Goog-Upload-Protocol") == "multipart" or request.query.get("uploadType") == "multipart":
            meta, content = (part.content for part in parts_of(request))
            return self._stored(content, json.loads(meta).get("file", {}))
        command = request.header("X-Goog-Upload-Command") or ""
        if command == "start":
            key = f"upload{next(self._numbers)}"
            about = request.json().get("file", {})
            mime = field_of(about, "mimeType") or request.header("X-Goog-Upload-Header-Content-Type") or ""
            self._uploads[key] = (field_of(about, "displayName") or "", mime)
            url = f"http://{request.header('Host')}{request.path}?upload_id={key}&upload_protocol=resumable"
            return Answer(body={}, headers={"X-Goog-Upload-URL": url, "X-Goog-Upload-Status": "active"})
        if "finalize" not in command or request.query.get("upload_id") not in self._uploads:
            raise _invalid("the upload was not started, or not in one piece")
        name, mime = self._uploads.pop(request.query["upload_id"])
        return self._stored(request.body, {"displayName": name, "mimeType": mime})

    def _stored(self, content: bytes, about: dict[str, Any]) -> Answer:
        name, mime = field_of(about, "displayName"), field_of(about, "mimeType")
        stored = self._batches.store(content, name=name or "", purpose="UPLOADED", mime=mime or "")
        return Answer(body={"file": _file(stored)}, headers={"X-Goog-Upload-Status": "final"})

    def _file(self, method: str, key: str, *, content: bool) -> Answer:
        stored = self._batches.files.get(key)
        if stored is None:
            # Google does not say whether a file is not there or not one's own.
            said = f"You do not have permission to access the File {key} or it may not exist."
            raise Problem(Fault(status=403, message=said))
        if content and stored.purpose != "GENERATED":
            raise _invalid("Only generated files can be downloaded.")
        if content:
            return Answer(body=stored.content, headers={"Content-Type": "application/octet-stream"})
        if method == "DELETE":
            del self._batches.files[key]
            return Answer(body={})
        return Answer(body=_file(stored))

    def _create(self, model: str, body: dict[str, Any]) -> Answer:
        if model in self._dialect.retired:
            raise Problem(Fault(how="retired", about=model))
        batch = body.get("batch") or {}
        config = field_of(batch, "inputConfig") or {}
        name = field_of(config, "fileName")
        asked: list[tuple[str, dict[str, Any]]] = []
        if name:
            stored = self._batches.files.get(name.removeprefix("files/"))
            if stored is None:
                raise Problem(Fault(status=404, message=f"File {name} not found."))
            lines = [json.loads(line) for line in stored.content.splitlines() if line.strip()]
            asked = [(str(line.get("key", place)), line["request"]) for place, line in enumerate(lines)]
        else:
            inlined = (config.get("requests") or {}).get("requests") or []
            asked = [((each.get("metadata") or {}).get("key", ""), each["request"]) for each in inlined]
        if not asked:
            raise _invalid("* BatchEmbedContentRequest.batch.input_config: must not be empty\n")
        items = [Item(key, question_of(each, model)) for key, each in asked]
        about = {"model": model, "displayName": field_of(batch, "displayName") or "", "by_file": bool(name)}
        return Answer(body=self._told(self._batches.make(items, about=about, complaint=None, line=None)))

    def _job(self, method: str, key: str, *, cancel: bool) -> Answer:
        job = self._batches.jobs.get(key)
        if job is None:
            raise Problem(Fault(status=404, message="Requested entity was not found."))
        if method == "DELETE":
            del self._batches.jobs[key]
            return Answer(body={})
        if not cancel:
            return Answer(body=self._told(self._batches.look(job)))
        self._batches.cancel(job)
        return Answer(body={})

    def _told(self, job: Job) -> dict[str, Any]:
        right = sum(each.result is not None for each in job.outcomes)
        wrong = sum(each.fault is not None for each in job.outcomes)
        stats = {
            "requestCount": len(job.items),
            "successfulRequestCount": right,
            "failedRequestCount": wrong,
            "pendingRequestCount": len(job.items) - right - wrong,
        }
        metadata: dict[str, Any] = {
            "@type": f"{_KIND}EmbedContentBatch",
            "model": f"models/{job.about['model']}",
            "displayName": job.about["displayName"],
            "name": f"batches/{job.id}",
            "state": f"BATCH_STATE_{_STATES[job.state]}",
            "createTime": _time(job.at["validating"]),
            "updateTime": _time(max(job.at.values())),
            # Numbers of 64 bits are strings in Google's JSON, and noughts are left out.
            "batchStats": {name: str(number) for name, number in stats.items() if number},
        }
        told: dict[str, Any] = {"name": f"batches/{job.id}", "metadata": metadata}
        if job.ended:
            metadata["endTime"] = _time(job.at[job.state])
            told["done"] = True
        if job.state == "failed" and job.complaint is not None:
            told["error"] = {"code": 3, "message": job.complaint.message}
        elif job.state == "cancelled":
            told["error"] = {"code": 1, "message": "The operation was cancelled."}
        elif job.state == "expired":
            told["error"] = {"code": 4, "message": "The batch expired."}
        elif job.state == "done":
            # Jobs that end otherwise have no results to fetch; see ai.google.dev/gemini-api/docs/batch-api.
            metadata["output"] = self._output(job)
            told["response"] = {"@type": f"{_KIND}EmbedContentBatchOutput", **metadata["output"]}
        return told

    def _output(self, job: Job) -> dict[str, Any]:
        if not job.about["by_file"]:
            inlined = [{**self._line(each), **_named("metadata", each.item.key)} for each in job.outcomes]
            return {"inlinedResponses": {"inlinedResponses": inlined}}
        if "responses" not in job.about:
            lines = [{"key": each.item.key, **self._line(each)} for each in job.outcomes]
            content = b"".join(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n" for line in lines)
            stored = self._batches.store(
                content, name="", purpose="GENERATED", mime="application/jsonl", uploaded=False
            )
            job.about["responses"] = f"files/{stored.id}"
        return {"responsesFile": job.about["responses"]}

    def _line(self, outcome: Outcome) -> dict[str, Any]:
        if outcome.result is not None:
            vector = self._dialect.write(outcome.item.question, outcome.result)
            assert isinstance(vector, dict)
            return {"response": {**vector, "tokenCount": str(outcome.result.tokens)}}
        assert outcome.fault is not None
        answer = self._dialect.error(outcome.fault)
        assert isinstance(answer.body, dict)
        return {"error": {"code": _CODES.get(answer.status, 2), "message": answer.body["error"]["message"]}}


def _named(field: str, key: str) -> dict[str, Any]:
    return {field: {"key": key}} if key else {}


def _file(stored: Stored) -> dict[str, Any]:
    digest = hashlib.sha256(stored.content).hexdigest()
    told = {
        "name": f"files/{stored.id}",
        "displayName": stored.name,
        "mimeType": stored.mime,
        "sizeBytes": str(len(stored.content)),
        "createTime": _time(stored.created),
        "sha256Hash": base64.b64encode(digest.encode()).decode(),
        "state": "ACTIVE",
        "source": stored.purpose,
    }
    if stored.purpose == "GENERATED":
        told["downloadUri"] = f"https://generativelanguage.googleapis.com/v1beta/files/{stored.id}:download?alt=media"
    return told


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _invalid(message: str) -> Problem:
    return Problem(Fault(status=400, message=message))
