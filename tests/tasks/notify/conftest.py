"""Receivers on this machine, which webhooks may send to here, and what is sent."""

import ipaddress
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import WebhookDelivery
from tasks.notify.acts import make_webhook
from tasks.notify.sender import Sender
from tests.factories import RunnerFactory
from tests.tasks.notify.receiver import Receiver
from tests.waiting import wait_until

PACK = """
[pack]
title = {en = "Pack", zh-hans = "打包"}
[pack.params.version]
[pack.params.quality]
title = {en = "Quality", zh-hans = "质量"}
required = false
[pack.params.token]
secret = true
required = false
[[pack.steps]]
name = "atlas"
command = ["true"]
"""


@pytest.fixture
def loopback(settings):
    settings.WEBHOOK_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver(loopback):
    """Makes servers; each is asked for what it received."""
    made = []

    def make(answer=None, **options):
        if answer is not None:
            options["answer"] = answer
        made.append(Receiver(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def webhook(db):
    """Makes webhooks, as an administrator does."""

    def make(url, **given):
        return make_webhook({"url": url, **given}, Actor("alice")).webhook

    return make


@pytest.fixture
def pack(use_task_types):
    use_task_types(PACK)


class House:
    """A runner's sender that is driven by hand, with a clock that can be set."""

    def __init__(self, runner):
        self.runner, self.ahead = runner, timedelta()
        self.sender = Sender(runner, clock=self.now)

    def now(self):
        return timezone.now() + self.ahead

    def send(self, **later):
        """Send all that is due, or will be then, and wait until that is recorded."""
        self.ahead += timedelta(**later)
        self.sender.look()
        wait_until(self._is_idle, "what is on its way")

    def _is_idle(self):
        self.sender.look()
        return not self.sender._at_work


@pytest.fixture
def house(db):
    return House(RunnerFactory())


def deliveries(**wanted):
    return list(WebhookDelivery.objects.filter(**wanted).order_by("pk"))


def error_of(delivery, number=-1):
    error = delivery.attempts[number]["error"]
    return error and error["code"]
