"""What a server never takes is told after one request, with what to write instead."""

import pytest

from resources.errors import StoreError
from tests.resources import oss, s3
from tests.resources.conftest import OLD_FILES, game_behind
from tests.resources.faulty_proxy import forward_to
from tests.resources.stores.test_stores import put, sync

RETRY = "retry=60"  # a minute of tries would be counted


def refused(game, options):
    """Sync with other options than the game's, and give the refusal."""
    game.build("v884", OLD_FILES)
    del game.proxy.requests[:]
    with pytest.raises(StoreError) as refusal:
        sync(game, "v884", options)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def writes(game):
    return [r for r in game.proxy.requests if r.method in ("PUT", "POST")]


def test_oss_in_path_style_is_told_at_once(game_on_oss):
    game = game_on_oss
    message = refused(game, f"?{RETRY}")
    assert len(game.proxy.requests) == 1
    assert message.endswith(
        "403 Forbidden: SecondLevelDomainForbidden: Please use virtual hosted style to"
        " access; Alibaba Cloud OSS takes requests in virtual-hosted style only: write"
        f" the store as {game.location}?profile=oss&{RETRY}"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("style=virtual", "takes no conditional writes"),
        ("style=virtual&conditions=off", "takes no x-amz-checksum-sha256"),
    ],
)
def test_what_oss_does_not_implement_is_told_at_once(game_on_oss, options, words):
    message = refused(game_on_oss, f"?{options}&{RETRY}")
    assert len(writes(game_on_oss)) == 1
    assert ": 501 Not Implemented: NotImplemented: A header you provided" in message
    assert message.endswith(
        f"; Alibaba Cloud OSS {words}: write the store as"
        f" {game_on_oss.location}?profile=oss&{RETRY}"
    )


def test_objects_that_oss_deletes_only_one_by_one_are_told_at_once(game_on_oss):
    game_on_oss.options = f"?style=virtual&conditions=off&checksums=off&{RETRY}"
    with pytest.raises(StoreError, match="cannot delete in ") as refusal:
        game_on_oss.bucket().delete(["a", "b"])
    message = str(refusal.value)
    assert len([r for r in writes(game_on_oss) if r.method == "POST"]) == 1
    assert f"write the store as {game_on_oss.location}?profile=oss" in message


def test_oss_under_another_name_is_known_by_its_answers(game_on_oss, monkeypatch):
    monkeypatch.setattr(oss, "HOST", "files.example.com")
    game_on_oss.environment["AWS_ENDPOINT_URL"] = "http://files.example.com"
    message = refused(game_on_oss, f"?{RETRY}")
    assert "; the server takes requests in virtual-hosted style only" in message
    assert message.endswith(f"{game_on_oss.location}?{RETRY}&style=virtual")
    monkeypatch.setattr(oss, "error", lambda *answer: with_host_id(original(*answer)))
    assert "; Alibaba Cloud OSS takes" in refused(game_on_oss, f"?{RETRY}")


original = oss.error


def with_host_id(answer):
    status, headers, content = answer
    return status, headers, content.replace(b"files.example", b"oss-cn.aliyuncs.com")


@pytest.fixture
def make_game(moto, tmp_path, monkeypatch):
    """Give what makes a game on an S3 server that answers some requests otherwise."""
    games = []

    def make(answer_to):
        forward = forward_to(moto)

        def answer(method, path, headers, body):
            asked = {name.lower() for name in headers}
            return answer_to(method, path, asked) or forward(
                method, path, headers, body
            )

        games.append(game_behind(answer, tmp_path, monkeypatch, s3, f"?{RETRY}"))
        return next(games[-1])

    yield make
    for game in games:
        next(game, None)


def error(status, code, message):
    content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, {}, content.encode()


def is_conditional(method, path, headers):
    return method == "PUT" and headers & {"if-match", "if-none-match"}


def has_checksum(method, path, headers):
    return "x-amz-checksum-sha256" in headers


def is_write(method, path, headers):
    return method == "PUT"


UNSUPPORTED = "Unsupported header 'x-amz-checksum-sha256' received for this API call."


@pytest.mark.parametrize(
    ("is_refused", "answer", "options", "advice"),
    [
        (
            is_conditional,
            error(501, "NotImplemented", "No."),
            "checksums=off",
            "; the server takes no conditional writes: write the store as"
            " {}?checksums=off&retry=60&conditions=off",
        ),
        (
            is_conditional,
            error(400, "NotImplemented", "No."),
            "",
            "; the server takes no conditional writes, or no x-amz-checksum-sha256:"
            " python -m resources probe '{}?retry=60' says which, and how to write the"
            " store",
        ),
        (
            has_checksum,
            error(400, "InvalidArgument", UNSUPPORTED),
            "",
            "; the server takes no x-amz-checksum-sha256: write the store as"
            " {}?retry=60&checksums=off",
        ),
        (
            has_checksum,
            error(400, "BadDigest", "x-amz-checksum-sha256 does not match."),
            "",
            "400 Bad Request: BadDigest: x-amz-checksum-sha256 does not match.",
        ),
        (
            is_conditional,
            error(501, "NotImplemented", "<HostId>s3.eu.amazonaws.com</HostId>"),
            "checksums=off",
            "; Amazon S3 takes no conditional writes: write the store as"
            " {}?checksums=off&retry=60&conditions=off",
        ),
        (
            is_write,
            error(405, "MethodNotAllowed", "Not here."),
            "conditions=off&checksums=off",
            "405 Method Not Allowed: MethodNotAllowed: Not here.",
        ),
        (
            is_write,
            error(403, "AccessDenied", "Not you."),
            "",
            "403 Forbidden: AccessDenied: Not you.",
        ),
        (is_write, error(400, "InvalidArgument", "No."), "", "InvalidArgument: No."),
        (is_write, error(501, "", ""), "conditions=off&checksums=off", "Implemented"),
    ],
)
def test_a_refusal_is_told_after_one_request(
    make_game, is_refused, answer, options, advice
):
    game = make_game(lambda *request: answer if is_refused(*request) else None)
    message = refused(game, f"?{options}&{RETRY}" if options else f"?{RETRY}")
    assert message.endswith(advice.format(game.location))
    assert len(writes(game)) == 1


def test_a_service_that_has_its_profile_is_not_told_it_again(make_game):
    answer = error(501, "NotImplemented", "<HostId>x.backblazeb2.com</HostId>")
    game = make_game(lambda *request: answer if is_conditional(*request) else None)
    message = refused(game, f"?profile=b2&conditions=on&{RETRY}")
    assert "; Backblaze B2 takes no conditional writes: write the store as" in message
    assert message.endswith(f"?profile=b2&conditions=off&{RETRY}")


@pytest.mark.parametrize("part", ["?uploads", "partNumber="])
def test_a_server_without_parts_is_told_after_one_request(make_game, part):
    answer = error(501, "NotImplemented", "No parts.")
    game = make_game(lambda method, path, headers: answer if part in path else None)
    store = game.open_store()
    with store.lock(), pytest.raises(StoreError, match="NotImplemented: No parts"):
        put(store, "v1", "large", bytes(9 << 20))
    asked = [r.query for r in game.proxy.requests if part.strip("?") in r.query]
    assert len(asked) == len(set(asked))


def test_a_part_that_fails_for_the_moment_is_sent_again(game_on_moto):
    store = game_on_moto.open_store()
    content = bytes(range(256)) * 4096 * 9
    with store.lock():
        game_on_moto.proxy.harm("drop", "PUT", "partNumber=2")
        put(store, "v1", "first", content)
        game_on_moto.proxy.harm("drop", "PUT", "partNumber=2")
        put(store, "v1", "second", content)
    # The first upload of a process begins anew, the others send what was lost.
    for name, times in (("first", 2), ("second", 1)):
        asked = [r for r in game_on_moto.proxy.requests if r.path.endswith(name)]
        assert len([r for r in asked if r.query.startswith("uploads")]) == times
        assert len([r for r in asked if "partNumber=2" in r.query]) == 2
