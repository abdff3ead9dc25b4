"""The examples in the engine's docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import resources

MODULES = [found.name for found in pkgutil.iter_modules(resources.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_do_what_they_say(name):
    results = doctest.testmod(importlib.import_module(f"resources.{name}"))
    assert results.failed == 0
