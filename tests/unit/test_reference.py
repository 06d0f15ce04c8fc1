"""References to the environment."""

from __future__ import annotations

import pytest

from limosa.errors import Refused
from limosa.ports.reference import is_reference, resolve


def test_a_reference_gives_the_variables_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", "postgresql://u:p@h/d")
    assert resolve("env:LIMOSA_TEST_URL") == "postgresql://u:p@h/d"


@pytest.mark.parametrize("text", ["embedded", "postgresql://h/d", "", "ENV:HOME"])
def test_anything_else_stands_for_itself(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(("value", "state"), [(None, "is not set"), ("", "is empty")])
def test_a_missing_variable_is_named_with_the_export(
    monkeypatch: pytest.MonkeyPatch, value: str | None, state: str
) -> None:
    monkeypatch.delenv("LIMOSA_TEST_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("LIMOSA_TEST_URL", value)
    with pytest.raises(Refused) as caught:
        resolve("env:LIMOSA_TEST_URL")
    assert caught.value.what == f"The environment variable LIMOSA_TEST_URL {state}."
    assert caught.value.do == "export LIMOSA_TEST_URL=..."


@pytest.mark.parametrize("text", ["env:", "env:sk-secret", "env:1A", "env:A B", "env:A\n"])
def test_a_reference_without_a_name_is_refused_and_not_shown(text: str) -> None:
    assert not is_reference(text)
    with pytest.raises(Refused) as caught:
        resolve(text)
    assert "sk-secret" not in str(caught.value)
