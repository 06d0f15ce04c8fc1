"""What a single value of the file must be like, beyond its type; each check says why not as a ValueError.

No message shows the value of a ``store``, ``key`` or ``base_url``: it may hold a secret.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Mapping, Sequence

from limosa.ports.reference import is_reference

__all__ = [
    "base_url",
    "backup",
    "column",
    "distinct",
    "layout",
    "oversize",
    "query",
    "secret",
    "settings",
    "store",
    "template",
    "wait_while",
]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]*)?")
# Names under which libpq, libSQL and HTTP services take a secret in a URL or a connection string.
_SECRET_PARAMETER = re.compile(
    r"(?:^|[?&\s;])(?:\w*password|passwd|pwd|\w*token|jwt|\w*secret|(?:api|access|auth)[-_]?key)\s*=", re.IGNORECASE
)
_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*", re.DOTALL)


def column(value: str) -> str:
    """A name that a database can hold: not blank, without the NUL character."""
    if not value.strip():
        raise ValueError("a blank name was given; needed is a name.")
    if "\0" in value:
        raise ValueError("the name contains the NUL character, which no database takes.")
    return value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names of which none stands twice."""
    if len(set(values)) != len(values):
        raise ValueError("a name stands twice; needed is each name once.")
    return values


def store(value: str) -> str:
    """``embedded``, a reference, or a URL that carries no secret."""
    if value == "embedded" or is_reference(value):
        return value
    if value.startswith("env:"):
        raise ValueError("what follows env: is not a variable's name; needed is a reference such as env:DATABASE_URL.")
    if _carries_secret(value):
        raise ValueError(
            "the URL carries a password or token; needed is a reference such as env:DATABASE_URL, or a URL without it."
        )
    if not _URL.fullmatch(value):
        raise ValueError('this is no store; needed is a URL, "embedded", or a reference such as env:DATABASE_URL.')
    return value


def base_url(value: str) -> str:
    """An http or https URL that carries no secret."""
    if _carries_secret(value):
        raise ValueError("the URL carries a password or token; the secret belongs in key, as env:NAME.")
    if not re.fullmatch(r"https?://[^\s/?#]+\S*", value):
        raise ValueError("this is no address; needed is a URL that begins with https:// or http://.")
    return value


def secret(value: str) -> str:
    """A reference to a secret, never the secret itself."""
    if not is_reference(value):
        raise ValueError("the key itself must not stand in the file; needed is a reference such as env:OPENAI_API_KEY.")
    return value


def template(value: str) -> str:
    """A text with at least one ``{column}``; literal braces are doubled."""
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError as exc:
        raise ValueError(f"the braces do not match ({exc}); a literal brace is written {{{{ or }}}}.") from exc
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    if not fields:
        raise ValueError("no column is named; needed is at least one {column}.")
    for name, spec, conversion in fields:
        if not name.strip() or name != name.strip():
            raise ValueError(f"{{{name}}} names no column; needed is {{column}} without blanks.")
        if spec or conversion:
            raise ValueError(f"{{{name}}} carries a format; needed is {{column}} alone.")
        if re.search(r"[.\[\]{}]", name):
            raise ValueError(f"{{{name}}} reaches into a value; needed is {{column}} alone, or query for the rest.")
    return value


def query(value: str) -> str:
    """One SELECT, without a semicolon at its end, that names a column ``text``."""
    start = _COMMENTS.match(value)
    if not re.match(r"(?:select|with)\b", value[start.end() if start else 0 :], re.IGNORECASE):
        raise ValueError("this is no SELECT; needed is one SELECT that gives the key columns and a column text.")
    if value.rstrip().endswith(";"):
        raise ValueError("the query ends with a semicolon; needed is one SELECT without it.")
    if "*" not in value and not re.search(r"(?<!\w)text(?!\w)", value, re.IGNORECASE):
        raise ValueError("the query gives no column text; needed is for example ... AS text.")
    return value


def wait_while(value: str) -> str:
    """One SELECT, without a semicolon at its end."""
    start = _COMMENTS.match(value)
    if not re.match(r"(?:select|with|values)\b", value[start.end() if start else 0 :], re.IGNORECASE):
        raise ValueError("this is no SELECT; needed is one that answers true while a run has to wait.")
    if value.rstrip().endswith(";"):
        raise ValueError("the query ends with a semicolon; needed is one SELECT without it.")
    return value


def settings(value: object) -> tuple[tuple[str, str], ...]:
    """Settings of a session: each name has a dot in it, as those of applications do, and a text."""
    if not isinstance(value, Mapping):
        raise ValueError('needed is a table of settings and texts, e.g. { "request.jwt.claims" = "..." }.')
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+", str(name)):
            raise ValueError(f'{str(name)[:40]!r} is no setting of a session; needed is a name such as "app.tenant".')
        if not isinstance(text, str):
            raise ValueError(f"the value of {str(name)[:40]} is no text; needed is one in quotes.")
    return tuple((str(name), str(text)) for name, text in value.items())


def layout(value: str) -> str:
    """A layout that is available."""
    later = "it belongs to a split, whose file has other keys."
    return _available(value, ["column", "side_table", "in_place"], {"dimension_tables": later})


def oversize(value: str) -> str:
    """What happens to texts over the model's limit."""
    return _available(value, ["refuse", "truncate", "pool", "skip"], {})


def backup(value: str) -> str:
    """The backup taken before anything is changed."""
    return _available(value, ["none", "table", "database"], {})


def _available(value: str, words: Sequence[str], later: Mapping[str, str]) -> str:
    if value in words:
        return value
    if value in later:
        raise ValueError(f'"{value}" is not available yet; {later[value]}')
    near = difflib.get_close_matches(value, [*words, *later], n=1)
    listed = " or ".join(f'"{word}"' for word in words)
    guess = f'; did you mean "{near[0]}"?' if near else f"; needed is {listed}."
    raise ValueError(f"{value[:40]!r} is not known{guess}")


def _carries_secret(value: str) -> bool:
    if _SECRET_PARAMETER.search(value):
        return True
    _, mark, rest = value.partition("://")
    if not mark:
        return False
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = place.rpartition("@")
    if at:
        return user.partition(":")[2] != ""
    # An unescaped / ? or # in a password ends the place early; the password then stands where a port should.
    if not all(_HOST.fullmatch(host) for host in place.split(",")):
        return True
    return ":" in place and "@" in rest.partition("?")[0]
