"""Keys: by reference, and never in a message."""

from __future__ import annotations

import pytest

from limosa.errors import Refused
from limosa.ports.reference import secret


def test_a_reference_names_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GODWIT_KEY", " sk-one-two \n")
    assert secret("env:GODWIT_KEY") == "sk-one-two"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("GODWIT_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("GODWIT_KEY", value)
    with pytest.raises(Refused, match=r"GODWIT_KEY is (not set|empty)"):
        secret("env:GODWIT_KEY")


@pytest.mark.parametrize("pasted", ["sk-proj-very-secret", "env:", ""])
def test_a_pasted_key_is_refused_without_showing_it(pasted: str) -> None:
    with pytest.raises(Refused, match="by reference") as caught:
        secret(pasted)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["sk-one\r\nX-Other: two", "sk-\u201cone\u201d"])
def test_a_key_that_no_header_carries_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GODWIT_KEY", value)
    with pytest.raises(Refused, match="GODWIT_KEY holds characters") as caught:
        secret("env:GODWIT_KEY")
    assert "sk-" not in str(caught.value)
