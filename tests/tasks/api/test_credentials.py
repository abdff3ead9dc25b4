"""Whether what somebody came in with would still let them in."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tasks.access.credentials import BOOTSTRAP, Credential, ended_among
from tasks.models import ApiKey
from tests.factories import ApiKeyFactory, UserFactory

pytestmark = pytest.mark.django_db
HERE = "10.1.2.3"


def signed_in(user):
    """Somebody's client, and what it comes in with."""
    client = Client()
    client.force_login(user)
    return client, Credential(session_key=client.session.session_key)


def test_what_is_good_has_not_ended(api_key, alice):
    _, session = signed_in(alice)
    listed = ApiKeyFactory(networks="10.0.0.0/8, 2001:db8::/32")
    good = [BOOTSTRAP, session, Credential(api_key.pk, None)]
    good += [Credential(listed.pk, HERE), Credential(listed.pk, "2001:db8::1")]
    assert ended_among(good) == set()


@pytest.mark.parametrize(
    "loss",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now()},
        {"networks": "10.9.0.0/16"},
    ],
)
def test_a_key_that_lost_it_has_ended_and_others_have_not(api_key, loss):
    other = Credential(ApiKeyFactory().pk, HERE)
    ApiKey.objects.filter(pk=api_key.pk).update(**loss)
    mine = Credential(api_key.pk, HERE)
    assert ended_among([mine, other]) == {mine}


def test_of_a_key_with_a_list_only_those_from_elsewhere_have_ended(api_key):
    ApiKey.objects.update(networks="10.9.0.0/16")
    inside, outside, nowhere = (
        Credential(api_key.pk, address) for address in ("10.9.1.1", HERE, None)
    )
    assert ended_among([inside, outside, nowhere]) == {outside, nowhere}


def test_a_key_that_was_deleted_has_ended(api_key):
    mine = Credential(api_key.pk, HERE)
    api_key.delete()
    assert ended_among([mine]) == {mine}


def by_sign_out(client, user):
    client.logout()


def by_another_password(client, user):
    user.set_password("another")
    user.save()


def by_deactivation(client, user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def by_being_no_staff_any_more(client, user):
    User.objects.filter(pk=user.pk).update(is_staff=False)


def by_being_in_no_group_any_more(client, user):
    user.groups.clear()


def by_deletion_of_the_person(client, user):
    user.delete()


def by_age(client, user):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def by_another_secret_key(client, user):
    Session.objects.update(session_data="not signed by this product")


@pytest.mark.parametrize(
    "end",
    [
        by_sign_out,
        by_another_password,
        by_deactivation,
        by_being_no_staff_any_more,
        by_being_in_no_group_any_more,
        by_deletion_of_the_person,
        by_age,
        by_another_secret_key,
    ],
)
def test_a_session_ends(end):
    user = UserFactory(is_staff=True, group="viewer")
    client, mine = signed_in(user)
    assert ended_among([mine]) == set()
    end(client, user)
    assert ended_among([mine]) == {mine}


def test_a_session_of_nobody_has_ended(client):
    client.session["seen"] = True
    client.session.save()
    for session_key in (client.session.session_key, "never-made"):
        nobody = Credential(session_key=session_key)
        assert ended_among([nobody]) == {nobody}


def test_it_costs_three_queries_however_many_there_are(django_assert_num_queries):
    keys = [Credential(ApiKeyFactory().pk, HERE) for _ in range(5)]
    people = UserFactory.create_batch(5, is_staff=True, group="viewer")
    sessions = [signed_in(user)[1] for user in people]
    with django_assert_num_queries(3):
        assert ended_among([*keys, *sessions, BOOTSTRAP]) == set()
    with django_assert_num_queries(0):
        assert ended_among([BOOTSTRAP]) == set()
