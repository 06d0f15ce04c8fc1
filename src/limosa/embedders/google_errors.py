"""Reads Google's error bodies: a status word, and details that say which quota and how long to wait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from limosa.embedders.headers import seconds_until
from limosa.embedders.http import Reply
from limosa.embedders.refusal import Fault, Said, json_of

__all__ = ["read_error"]

_DAILY = re.compile(r"per_?-?(?:day|month)", re.IGNORECASE)
_KEY_REASONS = {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "SERVICE_DISABLED"}
_OURS = ("model", "task_type", "taskType", "output_dimensionality", "outputDimensionality")


def read_error(reply: Reply) -> Said:
    """What the error object says; the list that the OpenAI-like address wraps it in is taken off.

    A key that is not valid comes as 400 (reason ``API_KEY_INVALID``). 429 comes for minutes and for days alike, with
    a ``retryDelay`` of seconds for both; only ``quotaId`` tells them apart.

    Source: https://cloud.google.com/apis/design/errors (google.rpc details); answers of 2026 quoted in public code.
    """
    error = json_of(reply).get("error")
    if not isinstance(error, dict):
        return Said()
    details = [each for each in error.get("details") or () if isinstance(each, dict)]
    message = str(error.get("message") or "")
    return Said(message=message, fault=_fault(reply.status, error, details, message), wait_s=_delay_s(details))


def _fault(status: int, error: dict[str, Any], details: list[dict[str, Any]], message: str) -> Fault | None:
    if status == 429:
        return "quota" if any(_DAILY.search(each) for each in _quotas(details)) else "busy"
    reasons = {str(each.get("reason")) for each in details}
    if reasons & _KEY_REASONS or "API key" in message:
        return "key"
    if status != 400:
        return None
    if error.get("status") == "FAILED_PRECONDITION":
        # Billing is not enabled, or the place from which it is asked is not served.
        return "request"
    fields = [str(each.get("field") or "") for detail in details for each in _listed(detail, "fieldViolations")]
    ours = any(field.rpartition(".")[2] in _OURS for field in fields)
    return "request" if ours or "requests can be in one batch" in message else None


def _quotas(details: list[dict[str, Any]]) -> Iterator[str]:
    for detail in details:
        for violation in _listed(detail, "violations"):
            yield f"{violation.get('quotaId') or ''} {violation.get('quotaMetric') or ''}"
        metadata = detail.get("metadata")
        if isinstance(metadata, dict):
            yield f"{metadata.get('quota_limit') or ''} {metadata.get('quota_unit') or ''}"


def _delay_s(details: list[dict[str, Any]]) -> float | None:
    delay = next((each["retryDelay"] for each in details if isinstance(each.get("retryDelay"), str)), None)
    return seconds_until(delay) if delay is not None else None


def _listed(detail: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = detail.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
