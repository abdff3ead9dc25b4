"""What is read of a project.manifest by the piece says the same as the whole does."""

import io
import json
import re
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resources.errors import ManifestError
from resources.manifests import cocos, line_file
from resources.manifests.cocos import read_cocos
from resources.manifests.cocos_fast_path import read_plain
from resources.manifests.line_file import LineFile
from tests.resources.conftest import read_foreign
from tests.resources.manifests.test_fast_path import SEGMENTS

# Python 3.12 warns of forks beside threads, which a parallel test run has.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

MD5 = "0123456789abcdef" * 2
FORMS = [
    partial(json.dumps, ensure_ascii=False),
    partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
    partial(json.dumps, ensure_ascii=False, indent=4),
    partial(json.dumps, ensure_ascii=False, indent="\t", separators=(" , ", " : ")),
]
ASSETS = [
    {"md5": MD5},
    {"md5": MD5, "size": 10},
    {"size": 0, "md5": MD5.upper()},
    {"md5": MD5, "compressed": True},
    {"size": 10, "md5": MD5, "compressed": False},
]


def project(assets, **more):
    return {"packageUrl": "https://cdn", "version": "1", "assets": assets, **more}


def is_plain(content):
    return read_plain(LineFile(io.BytesIO(content)), ()) is not None


@pytest.fixture(scope="session")
def outcome(tmp_path_factory):
    """Gives the entries of a manifest, or why there are none."""

    def outcome(content):
        try:
            manifest = read_foreign(read_cocos, content, tmp_path_factory.getbasetemp())
            return [entry[:4] for entry in manifest.entries()]
        except ManifestError as error:
            # Where in the file it is, another way of writing changes.
            return re.sub(r"(line|column|at|byte) \d+", r"\1 N", str(error))

    return outcome


def written_otherwise(content):
    """The same manifest in a form that can only be read whole."""
    otherwise = content.replace(b'"assets"', b'"\\u0061ssets"')
    assert not is_plain(otherwise)
    return otherwise


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asset", ASSETS)
def test_what_generators_write_is_read_by_the_piece(outcome, form, asset):
    assets = {"src/a.js": asset, "res/名.png": asset, "res/🎮 b.png": asset}
    for more in ({}, {"searchPaths": []}, {"searchPaths": ["src"], "x": {}}):
        content = form(project(assets, **more)).encode()
        assert is_plain(content)
        assert outcome(content) == outcome(written_otherwise(content))


# A look in helpers takes as long as the machine lets it.
@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3), max_size=5),
    st.sampled_from(ASSETS),
    st.sampled_from(FORMS),
    st.sampled_from([{}, {"searchPaths": ["src/"]}, {"searchPaths": ["../x"]}]),
)
def test_pieces_are_taken_or_refused_as_the_whole_is(outcome, paths, asset, form, more):
    assets = {"/".join(path): asset for path in paths}
    content = form(project(assets, **more)).encode()
    assert outcome(content) == outcome(written_otherwise(content))


WHOLE = json.dumps(
    project(
        {"b.png": {"md5": MD5, "size": 1}, "a/c.png": {"size": 2, "md5": MD5}},
        searchPaths=["res"],
    )
).encode()


# A look in helpers takes as long as the machine lets it.
@settings(deadline=None, max_examples=50)
@given(
    st.binary(max_size=8) | st.sampled_from([b'"', b"}", b"},", b"{", b'"a": 1, ']),
    st.integers(0, len(WHOLE)),
    st.integers(0, 40),
)
@example(b"", len(WHOLE) - 1, 1)
@example(b'"x": {"md5": "' + MD5.encode() + b'"},', WHOLE.index(b'"b.png"'), 0)
def test_other_bytes_anywhere_are_taken_or_refused_as_the_whole_is(
    outcome, inserted, place, removed
):
    content = WHOLE[:place] + inserted + WHOLE[place + removed :]
    if b'"assets"' in content:
        assert outcome(content) == outcome(written_otherwise(content))


@pytest.mark.parametrize(
    "content",
    [
        # assets that are not the document's
        b'{"x": {"assets": {"a": {"md5": "%s"}}}, "assets": {}}',
        b'{"assets": {}, "x": {"assets": {"a": {"md5": "%s"}}}}',
        b'{"x": [{"assets": {"a": {"md5": "%s"}}}]}',
        b'[{"assets": {"a": {"md5": "%s"}}}]',
        # two of one name
        b'{"assets": {"a": {"md5": "%s"}}, "assets": {}}',
        b'{"assets": {}, "assets": {"a": {"md5": "%s"}}}',
        b'{"assets": {"b": {"md5": "%s"}, "b": {"md5": "00"}}}',
        # and in an asset
        b'{"assets": {"a": {"size": 1, "md5": "%s", "size": 2}}}',
        b'{"assets": {"a": {"md5": "%s", "size": 01}}}',
        b'{"assets": {"a": {"md5": "%s", "size": -1}}}',
        b'{"assets": {"a": {"md5": "%s", "size": 9007199254740993}}}',
        b'{"assets": {"a": {"md5": "%s"},}}',
        b'{"assets": {"a": {"md5": "%s"}}',
        b'{"assets": {"a": {"md5": "%s"}}}}',
        b'\xef\xbb\xbf{"assets": {"a": {"md5": "%s"}}}',
        b'{"assets": {"\xff": {"md5": "%s"}}}',
        b'{"assets": {"a\x0b": {"md5": "%s"}}}',
        b'{"assets": {"a": {\x0b"md5": "%s"}}}',
        b'{"packageUrl": "\\"assets\\": {", "assets": {"a": {"md5": "%s"}}}',
        b'{"x\\"assets": {"a": {"md5": "%s"}}}',
    ],
)
def test_what_is_only_nearly_plain_is_taken_or_refused_as_the_whole_is(
    outcome, content
):
    content = content.replace(b"%s", MD5.encode())
    assert outcome(content) == outcome(written_otherwise(content))


def test_a_plain_manifest_may_be_no_larger_than_another(outcome, monkeypatch):
    monkeypatch.setattr(cocos, "MAX_FILE_BYTES", len(WHOLE) - 1)
    assert is_plain(WHOLE)
    assert "is larger than" in outcome(WHOLE)
    monkeypatch.setattr(cocos, "MAX_FILE_BYTES", len(WHOLE))
    assert len(outcome(WHOLE)) == 2


@pytest.fixture
def in_many_pieces(monkeypatch):
    monkeypatch.setattr(line_file, "BLOCK_BYTES", 1000)


def many(names, **more):
    return json.dumps(project({name: {"md5": MD5} for name in names}, **more)).encode()


@pytest.mark.usefixtures("in_many_pieces")
@pytest.mark.parametrize("more", [{}, {"searchPaths": ["src"]}, {"x": {}, "y": {}}])
def test_many_pieces_in_any_order_come_sorted(outcome, more):
    names = [f"img/{number:05}.png" for number in range(500)]
    content = many([*names[250:], *names[:250][::-1]], **more)
    assert is_plain(content)
    assert outcome(content) == [(name, None, "md5", MD5) for name in names]


@pytest.mark.usefixtures("in_many_pieces")
@pytest.mark.parametrize("extra", ["IMG/00499.PNG", "img/00000.png/x", "img", "Img"])
def test_names_that_meet_in_different_pieces_are_refused(outcome, extra):
    content = many([*(f"img/{number:05}.png" for number in range(500)), extra])
    said = outcome(content)
    assert is_plain(content)
    assert "meets the name of entry" in said
    assert said == outcome(written_otherwise(content))


@pytest.mark.usefixtures("in_many_pieces")
@pytest.mark.parametrize("damaged", [0, 1, 250, 498, 499])
def test_one_harmful_name_is_refused_wherever_it_stands(outcome, damaged):
    names = [f"img/{number:05}.png" for number in range(500)]
    names[damaged] = "../out"
    said = outcome(many(names))
    assert f"entry {damaged + 1}: the path has the segment" in said
