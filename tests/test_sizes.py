"""Style sheets and modules of pages are short enough to be read."""

from django.conf import settings

MOST_LINES = 400


def test_no_sheet_and_no_module_is_long():
    static = settings.BASE_DIR / "static"
    files = [*static.glob("css/**/*.css"), *static.glob("js/**/*.js")]
    lines = {path.name: len(path.read_text().splitlines()) for path in files}
    assert len(lines) > 50
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}
