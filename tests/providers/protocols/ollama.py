"""Ollama: ``POST /api/embed``, and ``POST /api/show`` for what a model can take."""

from __future__ import annotations

from tests.providers.dialect import Aside, Backroom, Dialect, retry_after
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import Fault

__all__ = ["Ollama"]

# As in the handlers of ollama's server/routes.go.
_SAID = {
    "rate": (429, "too many requests"),
    "quota": (429, "you have reached your usage limit"),
    "key": (401, "unauthorized"),
    "retired": (404, 'model "{about}" not found, try pulling it first'),
    "refused": (400, "a text is refused"),
    "long": (400, "the input length exceeds the context length"),
    "many": (400, "too many inputs: at most {limit}"),
}


class Ollama(Dialect):
    """A server of one's own; no key unless one is set."""

    def question(self, request: Request) -> Question | None:
        """The texts of ``input``, one or many."""
        if (request.method, request.path) != ("POST", "/api/embed"):
            return None
        body = request.json()
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Problem(Fault(status=400, message="invalid input type"))
        if not body.get("model"):
            raise Problem(Fault(status=400, message="model is required"))
        return Question(
            texts=texts, model=body["model"], d=body.get("dimensions"), cut=body.get("truncate") is not False
        )

    def write(self, question: Question, result: Result) -> object:
        """Lists of numbers in the order of the texts, and how many tokens went in."""
        return {
            "model": question.model,
            "embeddings": result.vectors,
            "total_duration": 14143917,
            "load_duration": 1019500,
            "prompt_eval_count": result.tokens,
        }

    def error(self, fault: Fault) -> Answer:
        """``{"error"}``."""
        status, message = fault.status, fault.message
        if fault.how in _SAID:
            status, told = _SAID[fault.how]
            message = told.format(about=fault.about, limit=fault.limit)
        return Answer(status=status, body={"error": message}, headers=retry_after(fault))

    def aside(self, backroom: Backroom) -> Aside:
        """What a model can take."""
        return _Show(backroom)


class _Show:
    """``POST /api/show``, as of a BERT model; 2,048 tokens are what Ollama gives a model that is not told otherwise."""

    def __init__(self, backroom: Backroom) -> None:
        self._backroom = backroom

    def knows(self, request: Request) -> bool:
        """Whether the request is about what a model can take."""
        return (request.method, request.path) == ("POST", "/api/show")

    def answer(self, request: Request) -> Answer:
        """Context length and embedding length among the model's facts."""
        body = request.json()
        model = body.get("model") or body.get("name")
        if not model:
            raise Problem(Fault(status=400, message="model is required"))
        facts = {
            "general.architecture": "bert",
            "bert.context_length": self._backroom.longest or 2048,
            "bert.embedding_length": self._backroom.size_of(model),
        }
        details = {"family": "bert", "families": ["bert"], "format": "gguf", "parameter_size": "137M"}
        return Answer(body={"details": details, "model_info": facts, "capabilities": ["embedding"]})
