"""Versions in the order in which Cocos' clients see them."""

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.manifests.cocos_version import MAX_NUMBER, compare_versions

# What a client has, what it finds, and whether its own comes before that.
VECTORS = [
    ("1.0.0", "1.0.1", True),
    ("1.9.0", "1.10.0", True),
    ("1.10.0", "1.9.9", False),
    ("1.0.0", "1.0.0", False),
    ("1.0", "1.0.0.0", False),
    ("1", "1.0.0.1", True),
    # What follows the numbers is never looked at.
    ("1.10.0-rc1", "1.10.0", False),
    ("1.10.0", "1.10.0-rc1", False),
    ("1.2.3.4.5", "1.2.3.4.6", False),
    ("1..2", "1..3", False),
    ("2.0a", "2.1", True),
    ("2a.0", "2a.1", False),
    # Numbers as C reads them.
    ("01.02", "1.3", True),
    (" 1.2", "1. 3", True),
    ("1 .2", "1 .3", False),
    ("+1.2", "1.3", True),
    ("1.-1", "1.0", True),
    # Texts without a number at their beginning are compared byte by byte.
    ("v1.9", "v1.10", False),
    ("v1.10", "v1.9", True),
    ("v9", "v10", False),
    ("1.0.0", "v1.0.0", True),
    ("v1.0.0", "1.0.1", False),
    ("abc", "", False),
    ("", "abc", True),
    ("é", "z", False),
    # The end of a text counts as zeros.
    ("", "0.0.0", False),
    ("", "0.0.1", True),
    ("1.0", "", False),
    (" ", "1", True),
    # Cocos sees a text up to a NUL.
    ("1.0\0a", "1.0\0b", False),
    # Not the same number on each system.
    ("2147483646", "2147483647", True),
    ("2147483647", "2147483648", False),
    ("20251128093000", "20251129093000", False),
    ("1.20251128093000", "1.20251129093000", False),
    ("1.20251128093000", "2.0", True),
]


@pytest.mark.parametrize(("before", "after", "updates"), VECTORS)
def test_a_client_updates_as_cocos_decides(before, after, updates):
    compared = compare_versions(before, after)
    assert (compared is not None and compared < 0) == updates


@settings(deadline=None)
@given(st.text(" +-.0129av", max_size=12), st.text(" +-.0129av", max_size=12))
def test_it_compares_what_the_c_library_reads(one, other):
    expected = compared_by_c(one, other)
    found = compare_versions(one, other)
    assert found == expected or (found is None and is_large(one + " " + other))


def compared_by_c(one, other):
    (ours, theirs), (first, second) = zip(scanned(one), scanned(other), strict=True)
    if ours == 0 or theirs == 0:
        first, second = one.encode(), other.encode()
    return (first > second) - (first < second)


def scanned(text):
    numbers = [ctypes.c_int(0) for _ in range(4)]
    places = [ctypes.byref(number) for number in numbers]
    count = ctypes.CDLL(None).sscanf(text.encode(), b"%d.%d.%d.%d", *places)
    return count, [number.value for number in numbers]


def is_large(text):
    return any(int(digits) > MAX_NUMBER for digits in numbers_in(text))


def numbers_in(text):
    return "".join(c if c.isdigit() else " " for c in text).split()
