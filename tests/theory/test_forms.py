"""The table of closed forms: complete, and every test that it names exists."""

import ast
from pathlib import Path

from madtheory import theory
from madtheory.theory.labels import KINDS

ROOT = Path(__file__).parents[2]


def test_every_public_closed_form_has_a_row():
    listed = {(form.room, form.function) for form in theory.table()}
    expected = {(room, name) for room in theory.__all__ for name in getattr(theory, room).__all__}
    assert listed == expected
    assert len(expected) > 150


def test_rows_are_filled():
    forms = theory.table()
    assert {form.kind for form in forms} <= {*KINDS, "by entry or argument"}
    assert all(len(form.what) > 10 and len(form.source) > 3 for form in forms)
    regimes = {(form.room, form.function): form.regime for form in forms}
    assert regimes["gaussian", "fresh"] == "fresh"
    assert regimes["gaussian", "trajectory"] == "any"


def test_named_tests_exist():
    tests = [form.test for form in theory.table()]
    names = {}
    for test in sorted(set(tests) - {""}):
        path, _, name = test.partition("::")
        if path not in names:
            body = ast.parse((ROOT / path).read_text()).body
            names[path] = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        assert name in names[path], test
    assert tests.count("") < 0.05 * len(tests)
