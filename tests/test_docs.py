"""What the documents say is what there is."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator

from tasks.api.serializers import TaskSerializer
from tasks.reasons import SENTENCES

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
DOCUMENTS = sorted([*READMES, *OTHERS, *ROOT.glob("docs/**/*.md")])
LINKING = [*DOCUMENTS, ROOT / "CHANGELOG.md"]
GLOSSARIES = [
    ROOT / "docs/explanation" / name for name in ("glossary.md", "glossary.zh-CN.md")
]
# They name modules and functions, so that a reader finds them.
OF_THE_CODE = sorted(
    [*ROOT.glob("docs/explanation/*.md"), ROOT / "docs/how-to/change-it.md"]
)
ROOMS = ("resource_sync", "streaming", "tasks", "resources")
FOLDERS = {
    *ROOMS,
    "tests",
    "docs",
    "templates",
    "static",
    "locale",
    "deploy",
    "examples",
}
ENDINGS = (".py", ".js", ".css", ".html", ".md", ".toml", ".conf", ".po", ".mo", ".txt")
SETTING = re.compile(r'\b(?:setting|env\.str)\(\s*"([A-Z_]+)"')
# Read by the start and by the engine, so not in settings.py.
ELSEWHERE = {
    "ADMIN_PASSWORD",
    "RESOURCE_HEADERS",
    "RESOURCE_MANIFEST",
    "RESOURCE_PLATFORMS",
    "RESOURCE_POINTER_EXPIRES",
    "RESOURCE_PUBLIC_URL",
    "RESOURCE_PURGE",
    "RESOURCE_SIGNING_KEY",
    "RESOURCE_SOURCE",
    "RESOURCE_STORE",
    "RESOURCE_TRUSTED_KEYS",
    "RESOURCE_WINDOWS_NAMES",
}
PLATFORM_STORES = {f"RESOURCE_STORE_{name}" for name in ("IOS", "ANDROID", "FACEBOOK")}


def settings_names():
    modules = ("settings.py", "single_sign_on.py")
    texts = ((ROOT / "resource_sync" / name).read_text() for name in modules)
    found = {name for text in texts for name in SETTING.findall(text)}
    assert len(found) > 10, "the pattern no longer finds the settings"
    return found | ELSEWHERE


def test_env_example_has_every_setting_and_no_other():
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = [line.partition("=")[0] for line in lines if re.match(r"[A-Z_]+=", line)]
    assert len(listed) == len(set(listed)), "a variable stands there twice"
    assert set(listed) == settings_names() | PLATFORM_STORES


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_readme_s_table_has_every_setting_and_no_other(readme):
    rows = re.findall(r"^\| `([A-Z_]+)` \|", readme.read_text(), re.MULTILINE)
    assert set(rows) == settings_names() | {"RESOURCE_STORE_IOS"}


def test_both_readmes_give_the_same_defaults():
    row = re.compile(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", re.MULTILINE)
    english, chinese = (dict(row.findall(path.read_text())) for path in READMES)
    assert english == chinese


def code_blocks(path):
    return re.findall(r"^```.*?^```", path.read_text(), re.MULTILINE | re.DOTALL)


def without_comments(path):
    """The code of a README, whose comments are in its language."""
    return [re.sub(r" +# .*", "", block) for block in code_blocks(path)]


def test_both_readmes_are_in_step():
    english, chinese = READMES
    assert without_comments(english) == without_comments(chinese)
    for pattern in (r"^#+ ", r"^\| ", r"^- ", r"^!\["):
        counts = [
            len(re.findall(pattern, path.read_text(), re.MULTILINE)) for path in READMES
        ]
        assert counts[0] == counts[1], pattern


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_named_exists(document):
    named = re.findall(r"manage\.py ([a-z_]+)", document.read_text())
    assert set(named) <= set(get_commands())


def test_every_own_command_is_documented():
    own = {name for name, app in get_commands().items() if app in {"tasks"}}
    text = "".join(path.read_text() for path in DOCUMENTS)
    assert {name for name in own if name not in text} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_endpoint_named_exists(document):
    paths = re.findall(
        r"`(?:GET |POST )?(/(?:api|health|metrics)[^`\s]*)`", document.read_text()
    )
    for path in paths:
        asked = re.sub(r"\{[a-z]+\}", "x", path).partition("?")[0]
        try:
            match = resolve(asked)
        except Resolver404:
            pytest.fail(f"{document.name} names {path}, which is not there.")
        assert "Unknown" not in repr(match.func), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_named_exists(document):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b", " ".join(code_of(document))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_unit_named_exists(document):
    units = ROOT / "deploy/systemd"
    for name, of_several in re.findall(
        r"\bresource-sync-(runner|web)\b(@?)", " ".join(code_of(document))
    ):
        unit = units / f"resource-sync-{name}{of_several}.service"
        assert unit.exists(), f"{document.name} names {unit.name}"


def code_of(document):
    return [*code_blocks(document), *re.findall(r"`[^`\n]+`", document.read_text())]


def links_of(document):
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text())


def anchors_of(document):
    """The headings, as GitHub names them in an address."""
    headings = re.findall(r"^#+ (.+)", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", LINKING, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    missing = []
    for link in links_of(document):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        is_there = target.exists() and (not anchor or anchor in anchors_of(target))
        missing += [] if is_there else [link]
    assert missing == []


def test_every_document_is_linked_from_the_list_of_all():
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in links_of(index)}
    there = {path for path in index.parent.rglob("*") if path.is_file()}
    assert there - linked == {index}


def test_no_document_is_twice_in_the_list_of_decisions():
    text = (ROOT / "docs/README.md").read_text()
    listed = re.findall(r"^- \[([0-9]{4})\]", text, re.MULTILINE)
    assert len(listed) == len(set(listed)) > 50


def test_both_glossaries_have_the_same_words():
    """In the same order: each row is about the same things in the code."""
    english, chinese = (
        [
            sorted(re.findall(r"`[^`]+`", row))
            for row in re.findall(r"^\| .+", path.read_text(), re.MULTILINE)
        ]
        for path in GLOSSARIES
    )
    assert len(english) > 40, "the pattern no longer finds the words"
    assert english == chinese


# --- What the documents say of the code ---------------------------------------------


def is_file(name):
    """Whether there is such a file or folder; a name alone may be anywhere."""
    if any(ROOT.glob(name.rstrip("/"))):
        return True
    within = [] if "/" in name else [ROOT / folder for folder in FOLDERS]
    return any(True for folder in within for _ in folder.rglob(name))


@cache
def source_of(path):
    """The text of a module, or of all below a folder."""
    target = ROOT / path
    found = target.rglob("*.*") if target.is_dir() else [target]
    modules = [file for file in found if file.suffix in {".py", ".js"}]
    ours = [f for f in modules if f.is_file() and "node_modules" not in f.parts]
    return "\n".join(file.read_text() for file in ours)


@cache
def source():
    return "\n".join(map(source_of, (*ROOMS, "static", "tests")))


def defines(text, name):
    """Whether a source has a class, a function, a method or a constant."""
    kinds = rf"(?:class|def|function) {name}\b", rf"^ *{name}(?:: .+)? = "
    return any(re.search(kind, text, re.MULTILINE) for kind in kinds)


@pytest.mark.parametrize("document", OF_THE_CODE, ids=lambda path: path.name)
def test_every_file_and_module_named_exists(document):
    missing = []
    for name in re.findall(r"`([\w.*/-]+)`", document.read_text()):
        is_path = name.endswith(ENDINGS) or name.partition("/")[0] in FOLDERS
        if is_path and not is_file(name):
            missing.append(name)
        if re.fullmatch(rf"(?:{'|'.join(ROOMS)})(?:\.[a-z_]+)+", name):
            path = name.replace(".", "/")
            missing += [] if is_file(f"{path}.py") or is_file(f"{path}/") else [name]
    assert missing == []


@pytest.mark.parametrize("document", OF_THE_CODE, ids=lambda path: path.name)
def test_every_function_and_field_named_exists(document):
    text = document.read_text()
    named = re.findall(r"`((?:[A-Z]\w+\.)?[a-z_]\w+)\(\)`", text)
    named += re.findall(r"`([A-Z]\w*[a-z]\w*\.\w+)`", text)
    named += re.findall(r"`(test_\w+)`", text)
    assert named, "the pattern no longer finds what is named"
    missing = {
        name
        for name in named
        if not all(defines(source(), part) for part in name.split("."))
    }
    assert missing == set()


@pytest.mark.parametrize("document", OF_THE_CODE, ids=lambda path: path.name)
def test_what_is_said_to_be_in_a_file_is_there(document):
    name, path = r"`([A-Za-z_][\w.]*)(?:\(\))?`", r"`([\w./-]+(?:\.py|\.js|/))`"
    text = document.read_text()
    said = re.findall(f"{name} in {path}", text)
    said += [(what, file) for file, what in re.findall(f"{path} 的 {name}", text)]
    missing = {
        f"{what} in {file}"
        for what, file in said
        if not all(defines(source_of(file), part) for part in what.split("."))
    }
    assert missing == set()


def test_the_readme_s_task_type_is_one_that_the_service_takes(tmp_path):
    from tasks.catalog.loader import load

    for path in (READMES[0], ROOT / "docs/quickstart.md"):
        block = next(code for code in code_blocks(path) if code.startswith("```toml"))
        file = tmp_path / "task_types.toml"
        file.write_text("\n".join(block.splitlines()[1:-1]))
        assert load(file)


def test_the_reference_explains_every_key_of_a_task_type():
    source = (ROOT / "tasks/catalog/loader.py").read_text()
    calls = re.findall(r"table\.only\(([^)]+)\)", source)
    keys = {key for call in calls for key in re.findall(r'"([a-z_]+)"', call)}
    assert len(keys) > 15, "the pattern no longer finds the keys"
    reference = (ROOT / "docs/reference/task-types.md").read_text()
    assert {key for key in keys if f"| `{key}` |" not in reference} == set()


def test_the_reference_has_every_reason_with_its_parameters_and_no_other():
    row = re.compile(r"^\| `([a-z0-9-]+)` \| (.*?) ?\| ", re.MULTILINE)
    reference = (ROOT / "docs/reference/reasons.md").read_text()
    told = {code: set(re.findall(r"`(\w+)`", n)) for code, n in row.findall(reference)}
    there = {
        code: set(re.findall(r"%\((\w+)\)s", " ".join(sentences)))
        for code, sentences in SENTENCES.items()
    }
    there["step-could-not-start"].add("exitCode")  # not in its sentence
    assert told == there


HTTP = ROOT / "docs/reference/http.md"


def first_cells(heading):
    """What is in backticks in the first column of a section's table."""
    section = HTTP.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_reference_has_every_endpoint_and_no_other():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    there = {
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    }
    assert first_cells("Endpoints") == there


def test_the_reference_has_every_field_of_a_task_and_no_other():
    assert first_cells("A task") == set(TaskSerializer().fields)


def test_the_reference_has_every_problem_type_and_no_other():
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    kinds = re.compile(r'(?:KIND \+ |_titled\(\s*\d+, )"([a-z-]+)"')
    there = {kind for path in sources for kind in kinds.findall(path.read_text())}
    assert first_cells("Problems") - {"type"} == there


def test_every_field_of_an_answer_is_documented_or_says_what_it_is():
    """In the reference by name, or by a description in the schema."""
    text = "\n".join(path.read_text() for path in ROOT.glob("docs/**/*.md"))
    text += READMES[0].read_text()
    schema = SchemaGenerator().get_schema(request=None, public=True)
    missing = {
        f"{name}.{field}"
        for name, kind in schema["components"]["schemas"].items()
        for field, about in kind.get("properties", {}).items()
        if "description" not in about and f"`{field}`" not in text
    }
    assert missing == set()


def test_every_decision_has_its_four_parts():
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    # A number is used once; one that was taken back leaves a gap.
    numbers = [re.match(r"[0-9]{4}-", page.name) for page in pages]
    assert None not in numbers
    assert len({found[0] for found in numbers if found}) == len(pages) > 10
    for page in pages:
        headings = re.findall(r"^## (.+)", page.read_text(), re.MULTILINE)
        assert headings == ["Status", "Context", "Decision", "Consequences"]


def test_every_threat_is_answered_by_tests_that_exist():
    rows = re.findall(
        r"^\| [^|]+ \| [^|]+ \| (`test_[^|]+) \|$",
        (ROOT / "docs/security.md").read_text(),
        re.MULTILINE,
    )
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row)}
    assert len(rows) > 20, "the pattern no longer finds the threats"
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_the_version_is_the_same_everywhere():
    from resource_sync.settings import VERSION

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()
