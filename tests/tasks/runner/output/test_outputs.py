"""What a task's steps put out, up to what everybody can carry."""

import json

from tasks.runner.output.outputs import (
    MOST_BYTES,
    MOST_BYTES_EACH,
    MOST_OUTPUTS,
    Outputs,
)


def size_of(value):
    return len(json.dumps(value))


def test_an_output_replaces_the_one_before_and_an_object_adds_to_it():
    outputs = Outputs()
    for value in ("1", "2"):
        assert not outputs.put("count", value)
    for value in ({"new": 1}, {"old": 2}):
        assert not outputs.put("ios", value)
    assert outputs.values == {"count": "2", "ios": {"new": 1, "old": 2}}


def test_one_that_is_too_large_is_refused_by_name_and_size():
    outputs = Outputs()
    problem = outputs.put("manifest", "x" * MOST_BYTES_EACH)
    assert problem == (
        "The output “manifest” was refused: it has 65,546 bytes, and may have 65,536."
    )
    assert outputs.values == {}


def test_what_is_kept_stays_though_another_was_refused():
    outputs = Outputs()
    outputs.put("a", "small")
    assert outputs.put("a", "x" * MOST_BYTES_EACH)
    assert outputs.values == {"a": "small"}


def test_an_object_grows_to_the_limit_and_then_stays_as_it_is():
    outputs = Outputs()
    refusals = [outputs.put("ios", {f"file{n}": "x" * 1000}) for n in range(200)]
    assert size_of(outputs.values["ios"]) <= MOST_BYTES_EACH
    assert len(outputs.values["ios"]) == refusals.index(next(filter(None, refusals)))
    assert outputs.refused == len([*filter(None, refusals)]) > 100


def test_all_together_have_a_limit():
    outputs = Outputs()
    refusals = [outputs.put(f"key{n}", "版" * 10_000) for n in range(100)]
    assert size_of(outputs.values) // 2 <= MOST_BYTES
    kept = len(outputs.values)
    assert kept == refusals.index(next(filter(None, refusals))) == 34
    assert "all outputs together" in refusals[-1]
    assert not outputs.put("key0", ""), "a smaller value makes room"
    assert not outputs.put("more", "版" * 10_000)


def test_there_are_so_many_at_most():
    outputs = Outputs()
    refusals = [outputs.put(f"key{n}", "x") for n in range(MOST_OUTPUTS + 5)]
    assert len(outputs.values) == MOST_OUTPUTS
    assert outputs.refused == 5
    assert refusals[-1].endswith("a task may have 1,000.")
    assert not outputs.put("key1", "y"), "those there are can be replaced"
