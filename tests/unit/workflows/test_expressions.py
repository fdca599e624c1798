"""The stand-in of GitHub's expressions: what it knows it evaluates as GitHub does, the rest it refuses."""

from __future__ import annotations

import pytest

from tests.simulators.workflow_expressions import Expressions, UnknownExpressionError

CONTEXTS = {
    "github": {"ref_name": "v1", "event_name": "push"},
    "inputs": {},
    "matrix": {"source": "build"},
    "steps": {"a": {"outcome": "success", "outputs": {"release": ""}}},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.release || github.ref_name", "v1"),
        ("matrix.source == 'BUILD' && github.event_name == 'push'", True),
        ("matrix.apt != ''", False),
        ("!(matrix.source == 'fetch')", True),
        ("steps.a.outputs.release", ""),
        ("'it''s'", "it's"),
        ("true && 7", 7),
    ],
)
def test_an_expression_is_what_github_makes_of_it(expression, value):
    assert Expressions(CONTEXTS).value(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["github.refname", "steps.b.outcome", "job.status", "fromJSON('1')", "a[0]", "github.ref_name github.ref_name"],
)
def test_what_it_does_not_know_is_refused(expression):
    with pytest.raises(UnknownExpressionError):
        Expressions(CONTEXTS).value(expression)


def test_a_step_after_a_failure_runs_only_where_it_asks_for_that():
    failed = Expressions(CONTEXTS, failed=True)
    assert not failed.holds("matrix.source == 'build'")
    assert failed.holds("always()")
    assert failed.holds("failure() && steps.a.outcome == 'success'")
    assert not failed.holds("success()")
