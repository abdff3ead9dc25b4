"""The modules of the client as one file."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from tasks.api.client_file import MODULES, ROOM, client_for

SOURCES = sorted(Path(settings.BASE_DIR, ROOM).glob("*.py"))
WRITTEN = "https://sync.example.com"


def test_every_module_is_in_the_file():
    assert {path.stem for path in SOURCES} - {"__init__"} == set(MODULES)


def test_it_is_python_3_9_with_nothing_but_the_standard_library():
    tree = ast.parse(client_for(WRITTEN), feature_version=(3, 9))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        assert not isinstance(node, ast.Match)
    # Of the first import of those that 3.9 does not have an ImportError would tell.
    assert not any(name.startswith((ROOM, "tomllib")) for name in imported)


def test_its_unions_are_in_annotations_alone():
    """Which 3.9 does not look at, by ``from __future__ import annotations``."""
    tree = ast.parse(client_for(WRITTEN))
    annotations = set()
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if found := getattr(node, name, None):
                annotations |= {id(part) for part in ast.walk(found)}
    others = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitOr)
        and id(node) not in annotations
    ]
    assert others, "flags of files are joined so"
    assert all(one.startswith(("stat.", "os.")) for one in others)


def test_no_two_modules_of_the_client_define_the_same_name():
    names = Counter(
        name
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        for name in defined_by(node)
    )
    assert [name for name, count in names.items() if count > 1] == []


def defined_by(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    found = [part for target in targets if target for part in ast.walk(target)]
    return [part.id for part in found if isinstance(part, ast.Name)]


def test_no_module_is_long_and_none_renames_what_it_imports():
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 400, path.name
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not any(name.asname for name in node.names), path.name


def test_every_sentence_has_its_chinese():
    from client.words import CHINESE

    said = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call)
            if is_call and getattr(node.func, "id", "") == "words":
                said |= {
                    part.value for part in node.args if isinstance(part, ast.Constant)
                }
    assert len(said) > 40
    assert {text for text in said if text not in CHINESE} == set()


@pytest.mark.parametrize("url", ["https://sync.example.com", "http://[::1]:3000"])
def test_it_knows_who_handed_it_out(url):
    names = {}
    for node in ast.parse(client_for(url)).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names[node.targets[0].id] = node.value.value
    assert names["SERVICE"] == url
    assert names["VERSION"] == settings.VERSION
