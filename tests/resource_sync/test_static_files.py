"""What static files are served in, and under which names."""

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command


@pytest.fixture
def collect(tmp_path, settings):
    """Collects files; returns the text of what is served as one of them."""
    source = tmp_path / "source"
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.INSTALLED_APPS = ["django.contrib.staticfiles"]
    backend = "resource_sync.static_files.BundledStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}

    def make(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        call_command("collectstatic", interactive=False, verbosity=0)

    return make


def served(name: str) -> str:
    with staticfiles_storage.open(staticfiles_storage.stored_name(name)) as file:
        return file.read().decode()


PAGE = 'import { a } from "./deep/a.js";\nimport("./later.js");\nsay(a);\n'
FILES = {
    "js/page.js": PAGE,
    "js/deep/a.js": "// What it is.\nexport const a = 1;\n",
    "js/later.js": "export const later = 1;\n",
}


def test_a_module_that_changes_gives_another_name_to_the_pages_that_import_it(collect):
    collect(FILES)
    before = staticfiles_storage.stored_name("js/page.js")
    collect(FILES)
    assert staticfiles_storage.stored_name("js/page.js") == before
    collect({**FILES, "js/deep/a.js": "export const a = 2;\n"})
    between = staticfiles_storage.stored_name("js/page.js")
    assert between != before
    collect({**FILES, "js/later.js": "export const later = 2;\n"})
    assert staticfiles_storage.stored_name("js/page.js") not in {before, between}


def test_what_a_page_imports_is_in_its_file_without_comments(collect):
    collect(FILES)
    page = served("js/page.js")
    assert "const a = 1" in page
    assert "What it is" not in page
    assert "js/deep/a.js" not in staticfiles_storage.hashed_files
    later = staticfiles_storage.stored_name("js/later.js").removeprefix("js/")
    assert f'import("./{later}")' in page


def test_a_module_that_is_imported_and_is_not_there_is_told_of(collect):
    with pytest.raises(ValueError, match=r"^js/missing.js: .* not there\.$"):
        collect({"js/page.js": 'import { b } from "./missing.js";\nb();\n'})


def test_a_sheet_has_those_that_it_imports_and_no_comments(collect):
    files = {"css/page.css": '/* All. */\n@import "a.css";\nb { top: calc(1px + 2px) }'}
    collect({**files, "css/a.css": "a { color: red; }\n"})
    assert served("css/page.css") == "a { color: red; }\nb { top: calc(1px + 2px) }"
