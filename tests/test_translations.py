"""Every text of the product has its Chinese, in the file that people edit and in the
one that the server reads."""

import gettext
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tasks.catalog.loader import load

# Names are the same in every language.
PLATFORMS = {"iOS", "Android", "Facebook", "iOS, Android"}
FOLDER = Path("locale/zh_Hans/LC_MESSAGES")
WITH_TEXTS = ("resource_sync", "streaming", "tasks", "resources", "templates")
HOW_TO_MEND = """
Run: manage.py makemessages -l zh_Hans --no-location -i .venv -i data -i node_modules
Write what is missing in locale/zh_Hans/LC_MESSAGES/django.po, then run:
manage.py compilemessages -i .venv
"""

needs_gettext = pytest.mark.skipif(
    not (shutil.which("xgettext") and shutil.which("msgfmt")),
    reason="gettext is not installed",
)


def unfinished(po: Path) -> str:
    """The entries without Chinese, or with Chinese that nobody has looked at."""
    entries = po.read_text().split("\n\n")[1:]
    return "\n\n".join(
        entry
        for entry in entries
        if entry.rstrip().endswith('msgstr ""') or "#, fuzzy" in entry
    )


def test_every_text_in_the_file_is_translated():
    assert not unfinished(settings.BASE_DIR / FOLDER / "django.po"), HOW_TO_MEND


@needs_gettext
def test_every_text_in_the_code_is_in_the_file(tmp_path):
    for name in (*WITH_TEXTS, "locale"):
        source = settings.BASE_DIR / name
        shutil.copytree(source, tmp_path / name)
    env = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    assert not unfinished(tmp_path / FOLDER / "django.po"), HOW_TO_MEND


def test_the_built_in_task_types_have_every_text_in_chinese():
    for kind in load(settings.BASE_DIR / "task_types.toml").values():
        texts = [kind.title, kind.description, *(step.name for step in kind.steps)]
        for parameter in kind.params:
            texts += [parameter.title, parameter.description]
            assert parameter.labels.keys() == set(parameter.choices)
            texts += parameter.labels.values()
        missing = set(filter(None, texts)) - kind.translations["zh-hans"].keys()
        assert missing <= PLATFORMS, kind.name


@needs_gettext
def test_the_server_reads_what_people_have_written(tmp_path):
    folder = settings.BASE_DIR / FOLDER
    fresh = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "-o", fresh, folder / "django.po"], check=True)
    assert texts(fresh) == texts(folder / "django.mo"), HOW_TO_MEND


def texts(path):
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)._catalog
