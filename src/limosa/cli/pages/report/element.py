"""Elements of HTML and SVG: whatever is not markup already is escaped, so that no name or reason becomes markup."""

from __future__ import annotations

from html import escape

__all__ = ["Html", "element", "joined", "style_sheet"]

_VOID = frozenset({"meta", "link", "br"})


class Html(str):
    """Markup, made by ``element`` alone; any other string is text."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: object) -> Html:
    """One element with its children in order.

    Args:
        children: markup, or text, which is escaped; None is left out.
        attributes: ``class_`` is written ``class``, ``aria_label`` is written ``aria-label``; those that are
            None or False are left out, and True stands for the bare name.
    """
    named = "".join(_attribute(name, value) for name, value in attributes.items() if value not in (None, False))
    if tag in _VOID:
        return Html(f"<{tag}{named}>")
    return Html(f"<{tag}{named}>{joined(*children)}</{tag}>")


def joined(*children: str | None) -> Html:
    """Several pieces, one after another; text among them is escaped."""
    return Html("".join(each if isinstance(each, Html) else escape(each) for each in children if each is not None))


def style_sheet(css: str) -> Html:
    """A style element; its text is the program's own and is not escaped, as browsers read it as it stands."""
    return Html(f"<style>{css}</style>")


def _attribute(name: str, value: object) -> str:
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(str(value))}"'
