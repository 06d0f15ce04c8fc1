"""Amounts as a person reads them: rows, bytes, seconds, dollars."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["duration", "in_words", "label", "money", "rows", "size"]

_BYTES = ("bytes", "kB", "MB", "GB", "TB", "PB")


def rows(count: float) -> str:
    """A count with its thousands apart: ``1,234,567``."""
    return f"{count:,.0f}"


def size(size_bytes: float) -> str:
    """Bytes in the unit that leaves at most three digits before the point; a kB is 1,000 bytes."""
    value, unit = float(size_bytes), 0
    while abs(value) >= 999.5 and unit < len(_BYTES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_BYTES[unit]}" if unit == 0 or abs(value) >= 99.5 else f"{value:.1f} {_BYTES[unit]}"


def duration(seconds: float) -> str:
    """Seconds in at most two units: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``, ``4 d 3 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def money(usd: float) -> str:
    """Dollars: cents from one dollar on, four places below, so that a small sum does not read as nothing."""
    if usd == 0:
        return "$0"
    if abs(usd) < 0.0001:
        return "under $0.0001"
    return f"${usd:,.2f}" if abs(usd) >= 1 else f"${usd:.4f}"


def _milliseconds(value: float) -> str:
    return duration(value / 1000) if value >= 1000 else f"{value:.0f} ms"


# The first that fits is taken, so `rate_per_s` is no duration.
_UNITS: dict[str, Callable[[float], str]] = {
    "_per_s": lambda value: f"{rows(value)} a second",
    "_bytes": size,
    "_usd": money,
    "_ms": _milliseconds,
    "_share": lambda value: f"{value:.1%}",
    "_s": duration,
}


def label(name: str) -> str:
    """A name without its unit, as words: ``heap_bytes_before`` reads ``heap before``."""
    return f"_{name}_".replace(f"{_unit(name)}_", "_", 1).strip("_").replace("_", " ")


def in_words(name: str, value: object) -> str:
    """A value by the unit that rides in its name: ``heap_bytes``, ``time_s``, ``cost_usd``, ``rate_per_s``."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(in_words(name, each) for each in value) or "none"
    if not isinstance(value, int | float):
        return str(value)
    unit = _unit(name)
    if unit:
        return _UNITS[unit](value)
    return rows(value) if isinstance(value, int) or abs(value) >= 100 else f"{value:.3g}"


def _unit(name: str) -> str:
    return next((unit for unit in _UNITS if f"{unit}_" in f"_{name}_"), "")
