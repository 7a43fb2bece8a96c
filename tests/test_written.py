"""A function is found again in its file: itself, and not one beside it, around it or within it."""

import functools
import linecache

import pytest
import torch

from seegrad.functions.definition import define
from seegrad.functions.written import written


def lines(f):
    return written(f).lines()


def registered(f):
    """A decorator that gives the function back."""
    return f


def doubled(f):
    """One that gives another in its place."""

    @functools.wraps(f)
    def twice(x):
        return f(f(x))

    return twice


@registered
def square(x):
    return x * x


@doubled
def halved(x):
    return x / 2


def inner_square():
    def square(x):
        return x + 1

    return square


def test_of_lambdas_on_one_line_each_is_itself():
    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert lines(first) == ["f = lambda x: x + 1"]
    assert lines(second) == ["f = lambda x: x + 2"]


def test_of_lambdas_within_each_other_each_is_itself():
    nested = lambda a: lambda b: lambda c: a * b * c  # noqa: E731
    assert lines(nested) == ["f = lambda a: lambda b: lambda c: a * b * c"]
    assert lines(nested(1)) == ["f = lambda b: lambda c: a * b * c"]
    assert lines(nested(1)(2)) == ["f = lambda c: a * b * c"]


def test_a_lambda_within_a_lambdas_argument_is_itself():
    # fmt: off
    takes = lambda g=(lambda x: x - 1): g  # noqa: E731
    # fmt: on
    assert lines(takes()) == ["f = lambda x: x - 1"]
    assert lines(takes) == ["f = lambda g=(lambda x: x - 1): g"]


def test_a_lambda_of_several_lines_gets_brackets():
    # fmt: off
    f = (lambda x: x  # noqa: E731
         + 1)
    # fmt: on
    namespace = {}
    exec("\n".join(lines(f)), namespace)
    assert lines(f)[0] == "f = (lambda x: x  # noqa: E731" and namespace["f"](1) == 2


def test_a_lambda_that_was_given_another_name_is_found():
    f = lambda x: x * 3  # noqa: E731
    f.__name__ = "triple"
    assert lines(f) == ["f = lambda x: x * 3"]


def test_a_lambda_goes_by_the_name_asked_for():
    assert written(lambda x: x, "g").lines() == ["g = lambda x: x"]


def test_functions_of_one_name_are_told_apart_by_where_they_begin():
    assert lines(square) == ["def square(x):", "    return x * x"]
    assert lines(inner_square()) == ["def square(x):", "    return x + 1"]


def test_a_decorator_that_gives_the_function_back_is_left_out():
    assert "@registered" not in lines(square)
    assert written(square).first_line == square.__code__.co_firstlineno + 1


def test_of_a_decorator_that_gives_another_function_that_one_is_shown():
    assert lines(halved) == ["def twice(x):", "    return f(f(x))"]
    assert define(halved).missing.startswith("twice also needs f,")


def test_a_lambda_may_begin_its_line():
    name = "<a cell of the test>"
    source = "f = (\nlambda x:\nx + 1\n)\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {}
    exec(compile(source, name, "exec"), namespace)
    assert lines(namespace["f"]) == ["f = (lambda x:", "x + 1)"]


@pytest.mark.parametrize("f", [len, torch.sin, functools.partial(max, 1), torch.nn.Linear(1, 1)])
def test_what_has_no_source_is_not_found(f):
    assert written(f) is None


def test_what_no_file_has_is_not_found():
    assert written(eval("lambda x: x")) is None
    assert "not to be had" in define(eval("lambda x: x")).missing


def test_both_who_ask_are_told_the_same():
    for f in (square, inner_square, inner_square(), lambda x: x, halved):
        assert list(define(f).lines) == lines(f)
