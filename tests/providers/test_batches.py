"""Batch jobs of OpenAI and Google, through their SDKs: the whole way, and every way in which they end."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest
import urllib3
from google import genai
from google.genai import types
from google.genai.errors import ClientError
from openai.types import Batch

from tests.providers.faults import Fault
from tests.providers.server import ProviderServer
from tests.providers.service import Setup
from tests.providers.vectors import tokens_of, vector_of

_TEXTS = {"a": "the first", "b": "the second", "c": "the third", "d": "the fourth"}
_MODEL = "text-embedding-3-small"


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer(Setup(key="right")) as server:
        yield server


@pytest.fixture
def client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="right", base_url=server.base_url, max_retries=0) as client:
        yield client


class TestOpenAI:
    def test_the_whole_way(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.batches.after_looks = 3
        batch = _submitted(client)
        states = [batch.status, *(client.batches.retrieve(batch.id).status for _ in range(2))]
        batch = client.batches.retrieve(batch.id)
        assert [*states, batch.status] == ["validating", "in_progress", "finalizing", "completed"]
        assert batch.request_counts is not None
        assert batch.request_counts.model_dump() == {"total": 4, "completed": 4, "failed": 0}
        assert batch.error_file_id is None
        assert batch.metadata == {"run": "7"}
        lines = _lines(client, batch.output_file_id)
        assert [line["custom_id"] for line in lines] == ["d", "c", "b", "a"]
        for line in lines:
            assert (line["error"], line["response"]["status_code"]) == (None, 200)
            vector = line["response"]["body"]["data"][0]["embedding"]
            right = vector_of(_TEXTS[line["custom_id"]], model=_MODEL, d=8)
            np.testing.assert_allclose(vector, right, rtol=1e-6)
        assert (server.jobs, server.files, server.batched.total()) == (1, 1, 4)
        assert server.batch_tokens == sum(map(tokens_of, _TEXTS.values()))
        assert (server.requests, server.tokens) == (0, 0)

    def test_files_can_be_looked_at_and_deleted(self, client: openai.OpenAI) -> None:
        stored = client.files.create(file=("in.jsonl", b"{}\r\n{}\n"), purpose="batch")
        assert (stored.filename, stored.bytes, stored.purpose) == ("in.jsonl", 7, "batch")
        assert client.files.content(stored.id).read() == b"{}\r\n{}\n"
        assert client.files.retrieve(stored.id) == stored
        assert client.files.delete(stored.id).deleted
        with pytest.raises(openai.NotFoundError, match="No such File"):
            client.files.retrieve(stored.id)

    def test_jobs_are_listed_newest_first(self, client: openai.OpenAI) -> None:
        made = [_submitted(client).id for _ in range(3)]
        assert [each.id for each in client.batches.list(limit=2)] == made[::-1]

    def test_nothing_ends_before_it_is_told_to(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.batches.after_looks = None
        batch = _submitted(client)
        assert {client.batches.retrieve(batch.id).status for _ in range(5)} == {"in_progress"}
        server.batches.finish()
        assert client.batches.retrieve(batch.id).status == "completed"


class TestOpenAIEndsOtherwise:
    def test_some_requests_fail(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.batches.failing = lambda text: text == "the second"
        server.refused = "third"
        batch = _ended(client, _submitted(client))
        assert batch.request_counts is not None
        assert batch.request_counts.model_dump() == {"total": 4, "completed": 2, "failed": 2}
        wrong = {line["custom_id"]: line for line in _lines(client, batch.error_file_id)}
        assert {key: line["response"]["status_code"] for key, line in wrong.items()} == {"b": 500, "c": 400}
        assert wrong["c"]["response"]["body"]["error"]["message"] == "a text is refused"
        assert {line["custom_id"] for line in _lines(client, batch.output_file_id)} == {"a", "d"}
        assert server.batched == {"the first": 1, "the fourth": 1}

    def test_time_runs_out_half_way(self, server: ProviderServer, client: openai.OpenAI) -> None:
        batch = _submitted(client)
        server.batches.expire(share=0.5)
        batch = client.batches.retrieve(batch.id)
        assert batch.status == "expired"
        assert {line["custom_id"] for line in _lines(client, batch.output_file_id)} == {"a", "b"}
        wrong = _lines(client, batch.error_file_id)
        assert {line["custom_id"] for line in wrong} == {"c", "d"}
        assert {line["error"]["code"] for line in wrong} == {"batch_expired"}
        assert all(line["response"] is None for line in wrong)

    def test_it_is_cancelled(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.batches.done_when_cancelled = 0.25
        batch = _submitted(client)
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.cancelled_at is not None) == ("cancelled", True)
        assert [line["custom_id"] for line in _lines(client, batch.output_file_id)] == ["a"]
        assert len(_lines(client, batch.error_file_id)) == 3

    def test_what_has_ended_cannot_be_cancelled(self, client: openai.OpenAI) -> None:
        batch = _ended(client, _submitted(client))
        with pytest.raises(openai.ConflictError, match="already completed"):
            client.batches.cancel(batch.id)

    @pytest.mark.parametrize(
        ("change", "code", "line"),
        [
            (lambda lines: [*lines, lines[0]], "duplicate_custom_id", 5),
            (lambda lines: [lines[0], "{"], "invalid_json_line", 2),
            (lambda lines: [], "empty_file", None),
            (lambda lines: [lines[0], lines[1].replace(_MODEL, "another")], "mismatched_model", 2),
            (lambda lines: [lines[0].replace("/v1/embeddings", "/v1/else")], "invalid_url", 1),
        ],
        ids=["twice", "not-json", "empty", "models", "url"],
    )  # fmt: skip
    def test_the_whole_batch_fails_validation(
        self, client: openai.OpenAI, change: object, code: str, line: int | None
    ) -> None:
        assert callable(change)
        batch = client.batches.retrieve(_submitted(client, change(_input())).id)
        assert batch.status == "failed"
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert [(error.code, error.line) for error in batch.errors.data] == [(code, line)]
        assert batch.output_file_id is None

    def test_it_fails_on_demand(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.batches.invalidate("no room for it")
        batch = client.batches.retrieve(_submitted(client).id)
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert (batch.status, batch.errors.data[0].message) == ("failed", "no room for it")
        assert _ended(client, _submitted(client)).status == "completed"

    def test_faults_of_its_own(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.fail_always(Fault(status=503))
        server.batches.faults.fail(Fault(how="rate"), times=1)
        with pytest.raises(openai.RateLimitError):
            client.batches.list()
        server.batches.faults.fail(Fault(how="hangup"), times=1)
        with pytest.raises(openai.APIConnectionError):
            _submitted(client)
        # The upload was done; nobody learnt of it.
        assert (server.files, server.jobs) == (1, 0)

    def test_the_key_is_asked_for(self, server: ProviderServer, client: openai.OpenAI) -> None:
        server.expire_key()
        with pytest.raises(openai.AuthenticationError):
            client.batches.list()


@pytest.mark.filterwarnings("ignore:batches.create_embeddings:google.genai._common.ExperimentalWarning")
class TestGoogle:
    @pytest.fixture
    def server(self) -> Iterator[ProviderServer]:
        with ProviderServer(Setup(protocol="google", key="right")) as server:
            yield server

    @pytest.fixture
    def client(self, server: ProviderServer) -> Iterator[genai.Client]:
        with genai.Client(api_key="right", http_options=types.HttpOptions(base_url=server.address)) as client:
            yield client

    def test_the_whole_way_with_the_texts_inside(self, server: ProviderServer, client: genai.Client) -> None:
        server.batches.after_looks = 2
        job = _inlined(client)
        assert (job.state, job.display_name) == (types.JobState.JOB_STATE_PENDING, "seven")
        assert _look(client, job).state == types.JobState.JOB_STATE_RUNNING
        job = _look(client, job)
        assert job.state == types.JobState.JOB_STATE_SUCCEEDED
        assert job.dest is not None
        answers = job.dest.inlined_embed_content_responses or []
        vectors = [
            answer.response.embedding.values for answer in answers if answer.response and answer.response.embedding
        ]
        right = [vector_of(text, model="gemini-embedding-001", d=768) for text in _TEXTS.values()]
        np.testing.assert_allclose(np.asarray(vectors, dtype=np.float32), right, rtol=1e-6)
        assert (server.jobs, server.files, server.batched.total(), server.requests) == (1, 0, 4, 0)

    def test_the_whole_way_by_file(self, server: ProviderServer, client: genai.Client) -> None:
        lines = [
            json.dumps({"key": key, "request": {"content": {"parts": [{"text": text}]}, "outputDimensionality": 768}})
            for key, text in _TEXTS.items()
        ]
        config = types.UploadFileConfig(mime_type="application/jsonl", display_name="in")
        stored = client.files.upload(file=io.BytesIO("\n".join(lines).encode()), config=config)
        assert (stored.display_name, stored.mime_type, stored.state) == (
            "in",
            "application/jsonl",
            types.FileState.ACTIVE,
        )
        source = types.EmbeddingsBatchJobSource(file_name=stored.name)
        job = client.batches.create_embeddings(model="gemini-embedding-001", src=source)
        server.batches.failing = lambda text: text == "the second"
        server.batches.finish()
        job = _look(client, job)
        assert job.dest is not None
        assert job.dest.file_name is not None
        out = [json.loads(line) for line in client.files.download(file=job.dest.file_name).splitlines()]
        assert [line["key"] for line in out] == list(_TEXTS)
        assert [line["key"] for line in out if "error" in line] == ["b"]
        for line in out:
            if line["key"] != "b":
                right = vector_of(_TEXTS[line["key"]], model="gemini-embedding-001", d=768)
                np.testing.assert_allclose(line["response"]["embedding"]["values"], right, rtol=1e-6)
        assert (server.jobs, server.files, server.batched.total()) == (1, 1, 3)
        assert stored.name is not None
        client.files.delete(name=stored.name)
        with pytest.raises(ClientError, match="may not exist"):
            client.files.get(name=stored.name)

    def test_some_requests_fail(self, server: ProviderServer, client: genai.Client) -> None:
        server.refused = "third"
        job = _inlined(client)
        server.batches.finish()
        job = _look(client, job)
        assert job.dest is not None
        errors = [answer.error for answer in job.dest.inlined_embed_content_responses or []]
        assert [error is not None for error in errors] == [False, False, True, False]
        assert errors[2] is not None
        assert (errors[2].code, errors[2].message) == (3, "a text is refused")

    def test_a_file_may_come_in_one_request(self, server: ProviderServer) -> None:
        about = json.dumps({"file": {"displayName": "in", "mimeType": "application/jsonl"}})
        kind = "multipart/related; boundary=edge"
        body = f"--edge\r\nContent-Type: application/json\r\n\r\n{about}\r\n--edge\r\n"
        body += "Content-Type: application/jsonl\r\n\r\n{}\r\n--edge--\r\n"
        headers = {"Content-Type": kind, "X-Goog-Upload-Protocol": "multipart", "x-goog-api-key": "right"}
        answer = urllib3.request("POST", f"{server.address}/upload/v1beta/files", body=body.encode(), headers=headers)
        assert (answer.status, answer.json()["file"]["displayName"]) == (200, "in")
        assert [stored.content for stored in server.batches.files.values()] == [b"{}"]

    def test_it_is_cancelled_and_deleted(self, client: genai.Client) -> None:
        job = _inlined(client)
        assert job.name is not None
        client.batches.cancel(name=job.name)
        assert _look(client, job).state == types.JobState.JOB_STATE_CANCELLED
        assert [each.name for each in client.batches.list()] == [job.name]
        client.batches.delete(name=job.name)
        with pytest.raises(ClientError, match="not found"):
            _look(client, job)

    def test_time_runs_out(self, server: ProviderServer, client: genai.Client) -> None:
        job = _inlined(client)
        server.batches.expire()
        job = _look(client, job)
        assert job.state == types.JobState.JOB_STATE_EXPIRED
        assert job.dest is None

    def test_the_whole_batch_fails(self, server: ProviderServer, client: genai.Client) -> None:
        server.batches.invalidate()
        job = _look(client, _inlined(client))
        assert (job.state, job.dest) == (types.JobState.JOB_STATE_FAILED, None)

    def test_a_model_that_was_shut_down(self, client: genai.Client) -> None:
        with pytest.raises(ClientError, match="is not found for API version"):
            _inlined(client, model="text-embedding-004")


def _input() -> list[str]:
    return [
        json.dumps(
            {"custom_id": key, "method": "POST", "url": "/v1/embeddings",
             "body": {"model": _MODEL, "input": text, "dimensions": 8}}
        )
        for key, text in _TEXTS.items()
    ]  # fmt: skip


def _submitted(client: openai.OpenAI, lines: list[str] | None = None) -> Batch:
    content = "\n".join(_input() if lines is None else lines).encode()
    stored = client.files.create(file=("input.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=stored.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"run": "7"}
    )


def _ended(client: openai.OpenAI, batch: Batch) -> Batch:
    while batch.status in {"validating", "in_progress", "finalizing"}:
        batch = client.batches.retrieve(batch.id)
    return batch


def _lines(client: openai.OpenAI, key: str | None) -> list[dict[str, Any]]:
    assert key is not None
    return [json.loads(line) for line in client.files.content(key).text.splitlines()]


def _inlined(client: genai.Client, *, model: str = "gemini-embedding-001") -> types.BatchJob:
    config = types.EmbedContentConfig(task_type="RETRIEVAL_DOCUMENT", output_dimensionality=768)
    contents: list[types.ContentUnion] = [types.Content(parts=[types.Part(text=text)]) for text in _TEXTS.values()]
    source = types.EmbeddingsBatchJobSource(inlined_requests=types.EmbedContentBatch(contents=contents, config=config))
    named = types.CreateEmbeddingsBatchJobConfig(display_name="seven")
    return client.batches.create_embeddings(model=model, src=source, config=named)


def _look(client: genai.Client, job: types.BatchJob) -> types.BatchJob:
    assert job.name is not None
    return client.batches.get(name=job.name)
