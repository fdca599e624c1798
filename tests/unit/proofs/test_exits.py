"""How a program ended, in words."""

from __future__ import annotations

import pytest

from pipeline.proofs.exits import in_words, next_step


@pytest.mark.parametrize(
    ("exit_code", "says"),
    [
        (0, "exit code 0"),
        (127, "exit code 127"),
        (-4, "exit code -4 (SIGILL: an instruction that this machine does not run)"),
        (-15, "exit code -15 (SIGTERM)"),
        (-200, "exit code -200"),
        (
            0xC000001D,
            "exit code 3221225501 (STATUS_ILLEGAL_INSTRUCTION: an instruction that this machine does not run)",
        ),
    ],
)
def test_a_signal_has_its_name(exit_code, says):
    assert in_words(exit_code) == says


def test_only_an_illegal_instruction_has_an_advice_of_its_own():
    assert next_step(1, "look") == "look"
    assert next_step(-9, "look") == "look"
    assert "avx2" in next_step(-4, "look")
    assert next_step(0xC000001D, "look") == next_step(-4, "look")
