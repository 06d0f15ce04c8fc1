"""What a server answers, without any socket: checks, limits, faults, vectors, counts."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import orjson

from tests.providers.counters import Counters
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import COMPLAINTS, SPOILED, Fault, Faults, How, spoil
from tests.providers.protocols import DIALECTS
from tests.providers.quota import Meter, Quota, Reading
from tests.providers.vectors import MODELS, tokens_of, vector_of

__all__ = ["COUNTERS", "Latency", "Reply", "Service", "Setup", "jittered"]

COUNTERS = "/__counters"
"""Where every server tells its counters; ``?texts=1`` for those by text too."""

Latency = float | Callable[[random.Random], float]
"""Seconds until an answer with vectors, or what draws them."""

Fate = Literal["whole", "half", "none", "hang"]

_FATES: dict[How, Fate] = {"drop": "half", "hangup": "none", "hang": "hang"}

_FREE = Reading(passed=None, limit=0, wait_s=0.0, headers={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a server is.

    Attributes:
        protocol: ``openai``, ``google``, ``cohere``, ``voyage`` or ``ollama``.
        dimensions: size of the vectors where a request names none; None for the model's own, 8 if that is not known.
        sized: whether requests may name a size; otherwise they are answered 400.
        key: the key to insist on; None for none.
        refused: texts that contain this are refused with 400, and their whole request with them.
        retired: models that are answered 404; None for those that the provider has shut down.
        longest: tokens that a text may have; None for as many as there are.
        quota: the rate limits.
        answers_in_s: how long an answer with vectors takes.
        seed: of the latency.
        port: 0 for a free one.
    """

    protocol: str = "openai"
    dimensions: int | None = None
    sized: bool = True
    key: str | None = None
    refused: str = "[refuse me]"
    retired: frozenset[str] | None = None
    longest: int | None = None
    quota: Quota | None = None
    answers_in_s: Latency = 0.0
    seed: int = 0
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the transport is to do.

    Attributes:
        body: the whole body.
        fate: send it whole, half of it, nothing (and close), or hang until the server stops.
        delay_s: to wait first.
        texts: those that are answered with vectors; empty for none.
        rightly: the vectors are as they should be.
        counted: it is one of the provider's own answers.
    """

    answer: Answer
    body: bytes
    fate: Fate = "whole"
    delay_s: float = 0.0
    texts: tuple[str, ...] = ()
    rightly: bool = True
    counted: bool = True


def jittered(mean_s: float, *, spread_s: float) -> Latency:
    """A latency that is normally distributed, and never below a tenth of its mean."""
    return lambda drawn: max(mean_s / 10, drawn.gauss(mean_s, spread_s))


class Service(Counters):
    """Answers requests; safe for threads.

    Attributes:
        dimensions, sized, key, refused, longest: as in Setup; may be changed while it runs.
        plain: answer lists of numbers even where base64 is asked for.
        length: L2 norm of the vectors, as a factor.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.dialect = DIALECTS[setup.protocol]()
        self.dimensions, self.sized, self.key = setup.dimensions, setup.sized, setup.key
        self.refused, self.longest = setup.refused, setup.longest
        self.retired = self.dialect.retired if setup.retired is None else setup.retired
        self.plain = False
        self.length = 1.0
        self._expired = False
        self._faults = Faults()
        self._meter = Meter(setup.quota) if setup.quota else None
        self._counts = setup.quota.counts if setup.quota else "request"
        self._retry_after = setup.quota is not None and setup.quota.retry_after
        self._latency = setup.answers_in_s
        self._drawn = random.Random(setup.seed)
        self._drawing = threading.Lock()
        self._aside = self.dialect.aside(self)

    def fail(self, fault: Fault, *, times: int = 1) -> None:
        """The next answers about embedding are faults, in the order in which they were asked for."""
        self._faults.fail(self._possible(fault), times=times)

    def fail_always(self, fault: Fault | None) -> None:
        """Every answer is this fault once the queued ones are used up; None ends it."""
        self._faults.always(None if fault is None else self._possible(fault))

    def expire_key(self) -> None:
        """No key is known any longer, whatever was asked for before."""
        self._expired = True

    def renew_key(self, key: str | None) -> None:
        """From now on this key is asked for; None for none."""
        self.key, self._expired = key, False

    def size_of(self, model: str) -> int:
        """The size of a model's vectors where a request names none."""
        known = MODELS.get(model)
        return self.dimensions or (known.usual if known else 8)

    def respond(self, request: Request) -> Reply:
        """The answer to a request, counted."""
        if request.path == COUNTERS:
            return _told(Answer(body=self.snapshot(texts="texts" in request.query)), counted=False)
        try:
            question = self.dialect.question(request)
        except Problem as problem:
            self.count_request(0, request.headers, {})
            return self._refuse(problem.fault)
        return self._respond_aside(request) if question is None else self._respond(request, question)

    def count_reply(self, reply: Reply, *, by: int = 1) -> None:
        """A reply goes out whole; ``by`` is -1 where it turned out that nobody took it."""
        if reply.counted:
            self.count_status(reply.answer.status, by=by)
        if reply.texts:
            self.count_embedded(reply.texts, rightly=reply.rightly, by=by)

    def result(self, question: Question, fault: Fault | None = None) -> Result:
        """The vectors of a question, with the fault in them."""
        d = question.d or self.size_of(question.model)
        texts = [text if self.longest is None else text[: self.longest * 4] for text in question.texts]
        vectors = [vector_of(text, model=question.model, d=d) * np.float32(self.length) for text in texts]
        spoiled, indexes = spoil(vectors, fault.how if fault else None)
        return Result(vectors=spoiled, indexes=indexes, tokens=sum(map(tokens_of, texts)))

    def refusal(self, question: Question) -> Fault | None:
        """Why a question cannot be answered by anyone, at any time; None where it can."""
        model, most = question.model, self.dialect.most
        if model in self.retired:
            return Fault(how="retired", about=model)
        if question.d is not None and not self.sized:
            return Fault(status=400, code="invalid_request_error", param="dimensions", message="no such parameter")
        if most is not None and len(question.texts) > most:
            return Fault(how="many", limit=most)
        if any(self.refused in text for text in question.texts):
            return Fault(how="refused")
        if self.longest and not question.cut and max(map(tokens_of, question.texts), default=0) > self.longest:
            return Fault(how="long", limit=self.longest)
        return None

    def _respond_aside(self, request: Request) -> Reply:
        if self._aside is None or not self._aside.knows(request):
            return self._refuse(Fault(status=404, code="unknown_url", message="unknown request URL"))
        if fault := self._unknown_key(request):
            return self._refuse(fault)
        try:
            answer = self._aside.answer(request)
        except Problem as problem:
            return self._refuse(problem.fault)
        return _told(answer)

    def _respond(self, request: Request, question: Question) -> Reply:
        self.count_request(len(question.texts), request.headers, request.json())
        fault = self._faults.take()
        delay_s = fault.delay_s if fault else 0.0
        if fault is not None and fault.how in COMPLAINTS:
            about = (self.dialect.key(request) or "none") if fault.how == "key" else question.model
            return self._refuse(replace(fault, about=fault.about or about))
        if fault is not None and fault.how not in SPOILED:
            return self._break(question, fault)
        if unknown := self._unknown_key(request):
            return self._refuse(unknown)
        reading = self._read_meter(question)
        if reading.passed:
            wait_s = reading.wait_s if self._retry_after else None
            limited = Fault(how="rate", about=question.model, param=reading.passed, limit=reading.limit)
            return self._refuse(replace(limited, retry_after_s=wait_s, headers=reading.headers))
        if refusal := self.refusal(question):
            return self._refuse(replace(refusal, headers=reading.headers))
        return self._embed(question, fault, reading, delay_s)

    def _embed(self, question: Question, fault: Fault | None, reading: Reading, delay_s: float) -> Reply:
        result = self.result(question, fault)
        self.count_paid(question.texts, result.tokens)
        # Turned round without indexes the vectors belong to other texts.
        right = {"slow", "floats", "shuffle"} if self.dialect.indexed else {"slow"}
        rightly = fault is None or fault.how in right
        answer = Answer(body=self._written(question, result, fault), headers=reading.headers)
        odd = fault is not None and fault.how in {"nan", "inf"}
        texts = tuple(question.texts)
        return _told(answer, odd=odd, delay_s=delay_s + self._draw_latency(), texts=texts, rightly=rightly)

    def _break(self, question: Question, fault: Fault) -> Reply:
        """A connection that goes wrong, or a body that is no answer."""
        if fault.how == "garbage":
            return Reply(answer=Answer(), body=b"<html>not the protocol</html>", delay_s=fault.delay_s)
        result = self.result(question)
        if fault.how == "drop":
            self.count_paid(question.texts, result.tokens)
        answer = Answer(body=self._written(question, result, fault))
        return _told(answer, fate=_FATES[fault.how], delay_s=fault.delay_s)

    def _written(self, question: Question, result: Result, fault: Fault | None) -> object:
        plain = self.plain or (fault is not None and fault.how == "floats")
        return self.dialect.write(replace(question, base64=question.base64 and not plain), result)

    def _refuse(self, fault: Fault) -> Reply:
        return _told(self.dialect.error(fault), delay_s=fault.delay_s)

    def _unknown_key(self, request: Request) -> Fault | None:
        sent = self.dialect.key(request)
        if not self._expired and (self.key is None or sent == self.key):
            return None
        return Fault(how="key", about=sent or "")

    def _read_meter(self, question: Question) -> Reading:
        if self._meter is None:
            return _FREE
        requests = len(question.texts) if self._counts == "text" else 1
        return self._meter.take(requests=requests, tokens=sum(map(tokens_of, question.texts)))

    def _draw_latency(self) -> float:
        if not callable(self._latency):
            return self._latency
        with self._drawing:
            return self._latency(self._drawn)

    def _possible(self, fault: Fault) -> Fault:
        if fault.how == "twice" and not self.dialect.indexed:
            raise ValueError("this protocol has no indexes to give twice")
        if fault.how == "floats" and not self.dialect.base64:
            raise ValueError("this protocol has no base64 to ignore")
        return fault


def _told(answer: Answer, *, odd: bool = False, **how: object) -> Reply:
    """A reply with its body as JSON; NaN and infinity, which JSON has not, are written as Python does."""
    if isinstance(answer.body, bytes):
        body = answer.body
    elif odd:
        body = json.dumps(answer.body, default=lambda vector: vector.tolist()).encode()
    else:
        body = orjson.dumps(answer.body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(answer=answer, body=body, **how)  # type: ignore[arg-type]
