"""OpenAI's files and batch jobs: ``/v1/files`` and ``/v1/batches``."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import orjson

from tests.providers.batches import Item, Job, Outcome, State, Stored
from tests.providers.dialect import Backroom, Dialect
from tests.providers.exchange import Answer, Problem, Request
from tests.providers.faults import Fault
from tests.providers.multipart import parts_of

__all__ = ["OpenAIBatches"]

_MOST_INPUTS = 50_000  # of one batch; see developers.openai.com/api/docs/guides/batch
_STATES: dict[State, str] = {"running": "in_progress", "done": "completed"}
_FILE = re.compile(r"^/v1/files/([^/]+)(/content)?$")
_JOB = re.compile(r"^/v1/batches/([^/]+)(/cancel)?$")

# The codes of lines that were never run, from OpenAI's own specification of a batch's output.
_NOT_RUN = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}


class OpenAIBatches:
    """Uploads, jobs, and the files that they leave."""

    def __init__(self, backroom: Backroom, dialect: Dialect) -> None:
        self._batches = backroom.batches
        # Two looks at once must not leave a job's files twice.
        self._lock = threading.Lock()
        self._dialect = dialect

    def knows(self, request: Request) -> bool:
        """Whether the request is about files or batches."""
        return request.path.startswith(("/v1/files", "/v1/batches"))

    def admits(self, request: Request) -> bool:
        """Never."""
        return False

    def answer(self, request: Request) -> Answer:
        """What became of a file or a job."""
        with self._lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Answer:
        if found := _FILE.match(request.path):
            return self._file(request.method, found[1], content=found[2] is not None)
        if found := _JOB.match(request.path):
            return self._job(request.method, found[1], cancel=found[2] is not None)
        route = (request.method, request.path)
        if route == ("POST", "/v1/files"):
            return self._upload(request)
        if route == ("POST", "/v1/batches"):
            return self._create(request.json())
        if route == ("GET", "/v1/files"):
            return self._list([_file(stored) for stored in self._batches.files.values()], request)
        if route == ("GET", "/v1/batches"):
            return self._list([self._told(job) for job in reversed(self._batches.jobs.values())], request)
        raise Problem(Fault(status=404, code="unknown_url", message="unknown request URL"))

    def _upload(self, request: Request) -> Answer:
        parts = {part.name: part for part in parts_of(request)}
        if "file" not in parts or "purpose" not in parts:
            raise _wrong("'file' and 'purpose' are required properties")
        part, purpose = parts["file"], parts["purpose"].content.decode()
        stored = self._batches.store(part.content, name=part.filename, purpose=purpose, mime="application/jsonl")
        return Answer(body=_file(stored))

    def _file(self, method: str, key: str, *, content: bool) -> Answer:
        stored = self._batches.files.get(key)
        if stored is None:
            raise _missing(f"No such File object: {key}")
        if method == "DELETE":
            del self._batches.files[key]
            return Answer(body={"id": key, "object": "file", "deleted": True})
        if content:
            return Answer(body=stored.content, headers={"Content-Type": "application/octet-stream"})
        return Answer(body=_file(stored))

    def _create(self, body: dict[str, Any]) -> Answer:
        stored = self._batches.files.get(str(body.get("input_file_id")))
        if body.get("endpoint") != "/v1/embeddings" or body.get("completion_window") != "24h":
            raise _wrong("Invalid value: endpoint must be '/v1/embeddings' and completion_window '24h' here.")
        if stored is None:
            raise _wrong(f"Invalid file ID: {body.get('input_file_id')}", param="input_file_id")
        if stored.purpose != "batch":
            raise _wrong(f"Invalid purpose for file: {stored.purpose}", param="input_file_id")
        items, complaint, line = self._read(stored.content)
        about = {"input_file_id": stored.id, "endpoint": body["endpoint"], "metadata": body.get("metadata")}
        return Answer(body=self._told(self._batches.make(items, about=about, complaint=complaint, line=line)))

    def _job(self, method: str, key: str, *, cancel: bool) -> Answer:
        job = self._batches.jobs.get(key)
        if job is None:
            raise _missing(f"No batch found with id '{key}'.")
        if cancel != (method == "POST"):
            raise _wrong("unknown method")
        if not cancel:
            return Answer(body=self._told(self._batches.look(job)))
        if not self._batches.cancel(job):
            said = _STATES.get(job.state, job.state)
            raise Problem(Fault(status=409, code="invalid_request_error", message=f"Batch is already {said}."))
        return Answer(body=self._told(job))

    def _read(self, content: bytes) -> tuple[list[Item], Fault | None, int | None]:
        """The requests of a file, or what is wrong with it, and in which line."""
        items: dict[str, Item] = {}
        models: set[str] = set()
        for number, line in enumerate(content.splitlines(), 1):
            try:
                item = self._read_line(line)
            except Problem as problem:
                return [], problem.fault, number
            models.add(item.question.model)
            if item.key in items:
                said = f"The custom_id '{item.key}' for this request is a duplicate of another request."
                return [], Fault(code="duplicate_custom_id", param="custom_id", message=said), number
            if len(models) > 1:
                said = "The provided model differs from that of the first request."
                return [], Fault(code="mismatched_model", param="body.model", message=said), number
            items[item.key] = item
        if not items:
            return [], Fault(code="empty_file", message="The input file is empty."), None
        if sum(len(item.question.texts) for item in items.values()) > _MOST_INPUTS:
            said = f"A batch may have {_MOST_INPUTS} embedding inputs."
            return [], Fault(code="too_many_embedding_inputs", message=said), None
        return list(items.values()), None, None

    def _read_line(self, line: bytes) -> Item:
        try:
            asked = json.loads(line)
            request = Request(
                method=asked["method"], path=asked["url"], query={}, headers={}, body=json.dumps(asked["body"]).encode()
            )
            question = self._dialect.question(request)
        except (ValueError, KeyError, TypeError) as exc:
            said = "This line is not parseable as valid JSON."
            raise Problem(Fault(code="invalid_json_line", message=said)) from exc
        if question is None:
            raise Problem(Fault(code="invalid_url", param="url", message="The URL differs from the batch's endpoint."))
        return Item(str(asked["custom_id"]), question)

    def _told(self, job: Job) -> dict[str, Any]:
        self._leave_files(job)
        done = sum(each.result is not None for each in job.outcomes)
        failed = sum(each.fault is not None for each in job.outcomes)
        total = 0 if job.state == "validating" else len(job.items)
        told: dict[str, Any] = {
            "id": job.id,
            "object": "batch",
            "completion_window": "24h",
            "status": _STATES.get(job.state, job.state),
            "created_at": job.at["validating"],
            "expires_at": job.at["validating"] + 24 * 3600,
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": total, "completed": done, "failed": failed},
            **job.about,
        }
        told.update({f"{_STATES.get(state, state)}_at": at for state, at in job.at.items() if state != "validating"})
        if job.state == "failed" and (wrong := job.complaint) is not None:
            said = {"code": wrong.code, "message": wrong.message, "param": wrong.param, "line": job.line}
            told["errors"] = {"object": "list", "data": [said]}
        return told

    def _leave_files(self, job: Job) -> None:
        """Once the job has ended: the files of what was answered, and of what was not."""
        if not job.outcomes or "output_file_id" in job.about:
            return
        outcomes = job.outcomes[::-1] if self._batches.shuffled else job.outcomes
        right = [self._line(job, each) for each in outcomes if each.result is not None]
        wrong = [self._line(job, each) for each in outcomes if each.result is None]
        for name, lines in (("output", right), ("error", wrong)):
            stored = None
            if lines:
                content = b"".join(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n" for line in lines)
                stored = self._batches.store(
                    content, name=f"{job.id}_{name}.jsonl", purpose="batch_output", mime="", uploaded=False
                )
            job.about[f"{name}_file_id"] = stored.id if stored else None

    def _line(self, job: Job, outcome: Outcome) -> dict[str, Any]:
        response: dict[str, Any] | None = None
        error: dict[str, Any] | None = None
        if outcome.result is not None:
            response = {"status_code": 200, "body": self._dialect.write(outcome.item.question, outcome.result)}
        elif outcome.fault is not None:
            answer = self._dialect.error(outcome.fault)
            response = {"status_code": answer.status, "body": answer.body}
        else:
            code, message = _NOT_RUN[job.state]
            error = {"code": code, "message": message}
        if response is not None:
            response["request_id"] = f"req_{job.id}_{outcome.item.key}"
        return {
            "id": f"batch_req_{job.id}_{outcome.item.key}",
            "custom_id": outcome.item.key,
            "response": response,
            "error": error,
        }

    def _list(self, data: list[dict[str, Any]], request: Request) -> Answer:
        after, limit = request.query.get("after"), int(request.query.get("limit", 20))
        keys = [each["id"] for each in data]
        start = keys.index(after) + 1 if after in keys else 0
        page = data[start : start + limit]
        body: dict[str, Any] = {"object": "list", "data": page, "has_more": start + limit < len(data)}
        body["first_id"], body["last_id"] = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        return Answer(body=body)


def _file(stored: Stored) -> dict[str, Any]:
    return {
        "id": stored.id,
        "object": "file",
        "bytes": len(stored.content),
        "created_at": stored.created,
        "filename": stored.name,
        "purpose": stored.purpose,
        "status": "processed",
    }


def _wrong(message: str, *, param: str | None = None) -> Problem:
    return Problem(Fault(status=400, code="invalid_request_error", param=param, message=message))


def _missing(message: str) -> Problem:
    return Problem(Fault(status=404, code="invalid_request_error", param="id", message=message))
