"""The names under which static files are served."""

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

DEPTH = 9  # of modules that import each other


@pytest.fixture
def collect(tmp_path, settings):
    """Collects a chain of modules; returns the name of the first one."""
    source = tmp_path / "source" / "js"
    source.mkdir(parents=True)
    settings.STATICFILES_DIRS = [source.parent]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.INSTALLED_APPS = ["django.contrib.staticfiles"]
    backend = "resource_sync.static_files.Storage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}

    def make(last: str) -> str:
        # Each one is looked at before the one that it imports.
        for number in range(1, DEPTH):
            text = f'import {{ a }} from "./m{number + 1}.js";\n'
            (source / f"m{number}.js").write_text(text)
        (source / f"m{DEPTH}.js").write_text(last)
        call_command("collectstatic", interactive=False, verbosity=0)
        return staticfiles_storage.stored_name("js/m1.js")

    return make


def test_a_module_that_changes_gives_another_name_to_all_that_import_it(collect):
    before = collect("export const a = 1;\n")
    assert collect("export const a = 1;\n") == before
    assert collect("export const a = 2;\n") != before


def test_a_module_that_is_imported_and_is_not_there_is_told_of(collect):
    with pytest.raises(Exception, match=r"missing\.js"):
        collect('import { b } from "./missing.js";\n')
