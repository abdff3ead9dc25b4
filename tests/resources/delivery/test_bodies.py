"""A body is looked into as deep as it is compressed, and no deeper than is safe."""

import gzip

import pytest

from resources.delivery.bodies import GZIP, Content, Digest, Layer

DATA = b"the same words again and again, " * 50


def layers_of(body, at_most=1 << 20, step=None):
    layer = Layer(Content, at_most)
    step = step or len(body) or 1
    for start in range(0, len(body), step):
        layer.add(memoryview(body)[start : start + step])
    layer.close()
    return [each.sink.content for each in layer.layers()]


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_each_compression_is_a_layer(step):
    once = gzip.compress(DATA, mtime=0)
    twice = gzip.compress(once, mtime=0)
    assert layers_of(DATA, step=step) == [DATA]
    assert layers_of(once, step=step) == [once, DATA]
    assert layers_of(twice, step=step) == [twice, once, DATA]


@pytest.mark.parametrize(
    "body", [b"", b"\x1f", GZIP, GZIP + b"nothing", gzip.compress(DATA, mtime=0)[:-1]]
)
def test_what_is_not_wholly_compressed_has_one_layer(body):
    assert layers_of(body) == [body]


def test_a_small_body_never_becomes_a_large_one():
    bomb = gzip.compress(bytes(100 << 20), mtime=0)
    layer = Layer(Digest, 1000)
    layer.add(bomb)
    layer.close()
    assert layer.inner.sink.size < 1 << 20
    assert [each.sink.size for each in layer.layers()] == [len(bomb)]
    deep = DATA
    for _ in range(9):
        deep = gzip.compress(deep, mtime=0)
    assert len(layers_of(deep)) == 4
