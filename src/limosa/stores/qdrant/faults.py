"""What goes wrong with a server of Qdrant, in limosa's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from limosa.errors import Refused, Transient
from limosa.stores.qdrant.engine import TimedOut

__all__ = ["asked"]

_ASIDE = frozenset({408, 425, 429})
_SLOW = frozenset({408, 504})

_T = TypeVar("_T")


def asked(call: Callable[[], _T]) -> _T:
    """What the client answers.

    Raises:
        TimedOut: the server did not answer in time.
        Transient: it is not there, or ill.
        Refused: it says no.
    """
    try:
        return call()
    except UnexpectedResponse as error:
        raise _refused(error) from error
    except ResourceExhaustedResponse as error:
        raise Transient("Qdrant asks for fewer requests (429).", do="Repeat the command later.") from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.TimeoutException):
            raise TimedOut("no answer in time") from error
        raise _unanswered(error.source) from error
    except httpx.TimeoutException as error:
        raise TimedOut("no answer in time") from error
    except (httpx.HTTPError, ValidationError) as error:
        raise _unanswered(error) from error
    except ValueError as error:
        # In local mode the client says so itself; a body that breaks off is no JSON.
        if "not found" in str(error):
            raise Refused(
                f"Qdrant says: {str(error).splitlines()[0]}", do="Check store and collection in [source]."
            ) from error
        raise _unanswered(error) from error


def _refused(error: UnexpectedResponse) -> Exception:
    status = error.status_code or 0
    if status in _SLOW:
        return TimedOut(f"Qdrant answered {status}")
    if status >= 500 or status in _ASIDE:
        return Transient(f"Qdrant answered {status}.", do="Nothing committed is lost; repeat the command.")
    if status in {401, 403}:
        return Refused(
            f"Qdrant does not let limosa in ({status}).",
            needed="A key that may read the collection.",
            do="Set token in [source] to a reference such as env:QDRANT_API_KEY.",
        )
    if status == 404:
        return Refused("Qdrant has no such collection (404).", do="Check store and collection in [source].")
    return Refused(f"Qdrant refuses ({status}).", do="This is about the request, not the moment.")


def _unanswered(error: Exception) -> Transient:
    return Transient(
        f"Qdrant does not answer as it should: {type(error).__name__}.",
        do="Start the server or mend the way to it; then repeat the command.",
    )
