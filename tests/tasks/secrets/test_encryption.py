"""Values of secret parameters at rest."""

import uuid

import pytest

from tasks.secrets.encryption import SecretKeyChanged, digest_of, opened, sealed

TASK = uuid.uuid4()
VALUES = {"token": "it's $PECIAL", "key": "line 1\nпароль"}


def test_what_was_sealed_can_be_opened_and_does_not_show_it():
    text = sealed(TASK, VALUES)
    assert opened(TASK, text) == VALUES
    assert "PECIAL" not in text
    assert text != sealed(TASK, VALUES), "the same values look the same"


def test_nothing_is_sealed_where_there_is_nothing():
    assert sealed(TASK, {}) is None
    assert opened(TASK, None) == {}


def test_what_was_copied_into_another_task_cannot_be_opened():
    with pytest.raises(SecretKeyChanged):
        opened(uuid.uuid4(), sealed(TASK, VALUES))


def test_another_secret_key_opens_nothing(settings):
    text, digest = sealed(TASK, VALUES), digest_of("value")
    settings.SECRET_KEY = "another-secret-key-of-thirty-two-characters"
    assert digest_of("value") != digest
    with pytest.raises(SecretKeyChanged):
        opened(TASK, text)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
)
def test_what_is_no_sealed_text_cannot_be_opened(text):
    with pytest.raises(SecretKeyChanged):
        opened(TASK, text)
