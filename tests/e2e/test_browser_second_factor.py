"""Setting a second factor up and signing in with it, in a real browser."""

import base64
import re
import time

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import expect

from .barriers import barriers
from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PHONE = {"viewport": {"width": 375, "height": 667}, "locale": "en-US"}
PASSWORD = "sesame-4-ada"


@pytest.fixture(scope="module")
def ada(service):
    """Somebody who signs in with a password."""
    text = (
        "from django.contrib.auth.models import Group, User\n"
        "made = User.objects.create_user\n"
        f"user = made('ada', password={PASSWORD!r}, is_staff=True)\n"
        "user.groups.add(Group.objects.get(name='operator'))\n"
    )
    service.manage("shell", "-c", text)
    return "ada"


@pytest.fixture
def page(chromium, service, ada):
    context = chromium.new_context(base_url=service.url, **PHONE)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors = []
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert [one for one in errors if "status of 400" not in one] == []


def give_password(page):
    page.goto("/admin/login/?next=/history")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= 375


def test_it_is_set_up_used_and_removed_by_the_keyboard_on_a_phone(page, service):
    give_password(page)
    page.wait_for_url(f"{service.url}/history")
    page.goto("/account")
    page.get_by_role("link", name="Set it up").click()
    picture = page.get_by_role("img", name="QR code")
    expect(picture.locator("svg")).to_be_visible()
    assert picture.locator("svg").bounding_box()["width"] > 200
    assert fits(page)
    assert barriers(page) == []
    key = base64.b32decode(page.locator(".key").text_content().replace(" ", ""))
    totp = TOTP(key, 6, SHA1(), 30)

    def code(steps=0):
        return totp.generate(int(time.time()) + steps * 30).decode()

    # One that is good for another half a minute, and later one that is newer than it.
    page.get_by_label("Code", exact=True).fill(code())
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    codes = page.locator(".codes li")
    expect(codes).to_have_count(10)
    recovery = codes.first.text_content()
    assert fits(page)
    assert barriers(page) == []
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/account")

    page.context.clear_cookies()
    give_password(page)
    page.wait_for_url("**/sign-in/code")
    expect(page.get_by_label("Code")).to_be_focused()
    assert fits(page)
    assert barriers(page) == []
    page.keyboard.type("123")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    page.keyboard.type(code(1))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{service.url}/history")

    page.goto("/account/second-factor")
    assert barriers(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code, or recovery code").fill(recovery)
    page.get_by_role("button", name="New recovery codes").press("Enter")
    expect(codes).to_have_count(10)
    recovery = codes.first.text_content()
    assert fits(page)
    page.goto("/account/second-factor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code, or recovery code").fill(recovery)
    page.get_by_role("button", name="Remove the second factor").press("Enter")
    page.wait_for_url(re.compile("/account$"))
    expect(page.get_by_text("Your second factor is removed.")).to_be_visible()
