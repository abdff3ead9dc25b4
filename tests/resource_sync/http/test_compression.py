"""Pages are compressed, and nothing else is."""

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from resource_sync.http.compression import CompressedPages

WORDS = b"copied assets/scene/main.bin\n" * 100


def answered(response, accepted="gzip, deflate"):
    request = RequestFactory().get("/", headers={"accept-encoding": accepted})
    return CompressedPages(lambda _request: response)(request)


def test_a_page_is_compressed_for_who_takes_it():
    page = answered(HttpResponse(WORDS))
    assert page["Content-Encoding"] == "gzip"
    assert gzip.decompress(page.content) == WORDS
    assert int(page["Content-Length"]) == len(page.content) < len(WORDS) / 5
    assert "Accept-Encoding" in page["Vary"]


def test_a_page_is_plain_for_who_does_not():
    page = answered(HttpResponse(WORDS), accepted="identity")
    assert page.content == WORDS
    assert "Content-Encoding" not in page


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(WORDS, content_type="application/json"),
        HttpResponse(WORDS, content_type="text/plain; charset=utf-8"),
        StreamingHttpResponse([WORDS]),
        StreamingHttpResponse([WORDS], content_type="text/plain"),
    ],
)
def test_what_is_no_page_goes_as_it_is(response):
    answer = answered(response)
    assert "Content-Encoding" not in answer
    assert b"".join(answer) == WORDS
