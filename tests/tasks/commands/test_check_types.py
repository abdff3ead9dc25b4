"""``manage.py check_types`` says beforehand what would stop the start."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

TYPE = '[{0}]\n[[{0}.steps]]\ncommand = ["true"]\n'


@pytest.fixture
def folder(tmp_path, settings):
    """An installation with one own file beside the shipped one."""
    settings.BASE_DIR = tmp_path
    settings.TASK_TYPES_FILE = [tmp_path / "shipped.toml", tmp_path / "task_types.d"]
    (tmp_path / "shipped.toml").write_text(TYPE.format("check"))
    (tmp_path / "task_types.d").mkdir()
    (tmp_path / "task_types.d" / "studio.toml").write_text(TYPE.format("pack"))
    return tmp_path


def said(*files):
    output = StringIO()
    call_command("check_types", *map(str, files), stdout=output)
    return output.getvalue()


def test_what_the_service_reads_is_checked_where_no_file_is_named(folder):
    assert said() == "2 task types, all right: check, pack.\n"


def test_a_file_is_checked_beside_the_others(folder):
    new = folder / "new.toml"
    new.write_text(TYPE.format("draw"))
    assert said(new) == "1 task type, all right: draw.\n"
    new.write_text(TYPE.format("pack"))
    with pytest.raises(CommandError, match=r"pack is defined twice: .*new.*studio"):
        said(new)


def test_a_file_takes_the_place_of_the_one_of_its_name(folder):
    (folder / "draft").mkdir()
    new = folder / "draft" / "studio.toml"
    new.write_text(TYPE.format("pack") + TYPE.format("draw"))
    assert said(new) == "2 task types, all right: pack, draw.\n"
    assert said(folder / "task_types.d") == "1 task type, all right: pack.\n"


def test_a_mistake_is_named_by_file_line_and_key(folder):
    new = folder / "new.toml"
    new.write_text(TYPE.format("draw") + "[[draw.steps]]\ncommand = []\n")
    says = r"^new\.toml, line 5: draw\.steps\[1\]\.command: expected a list"
    with pytest.raises(CommandError, match=says):
        said(new)
    with pytest.raises(CommandError, match=r"absent\.toml: it can't be read"):
        said(folder / "absent.toml")


def test_it_works_where_what_the_service_reads_is_wrong(folder):
    (folder / "shipped.toml").write_text("[check]\n")
    with pytest.raises(CommandError, match=r"^shipped\.toml, line 1: check\.steps"):
        said()
    with pytest.raises(CommandError, match=r"^shipped\.toml, line 1: check\.steps"):
        said(folder / "task_types.d" / "studio.toml")
