"""The design page: every component in each state."""

from pathlib import Path

import pytest
from django.conf import settings

from tasks.web.design import COLOURS, ICONS, SIZES

pytestmark = pytest.mark.django_db


def test_it_shows_every_status_colour_size_and_icon(staff):
    html = staff.get("/design").text
    for status in ("pending", "running", "completed", "failed", "cancelled"):
        assert f'data-status="{status}"' in html
    for name in (*COLOURS, *SIZES):
        assert f"--{name}" in html
    assert html.count('class="icon"') >= len(ICONS)


def test_what_it_names_is_what_the_tokens_define():
    tokens = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text()
    for name in (*COLOURS, *SIZES):
        assert f"  --{name}: " in tokens


def test_strangers_are_sent_to_the_sign_in(client):
    assert client.get("/design").status_code == 302
