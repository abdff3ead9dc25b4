"""The reference has every metric, as it is, and no other."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tasks.api.metrics.view import collector
from tasks.instruments import exchange
from tests.factories import RunnerFactory, TaskFactory
from tests.monitoring.documented import documented, exposed
from tests.tasks.api.metrics.test_ends import ended

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


class OfEach:
    """The families of a web process and of a runner, each once."""

    def collect(self):
        found = {}
        for kind in ("web", "runner"):
            exchange._place = exchange.Place(kind)
            found |= {family.name: family for family in exchange.collected()}
        return found.values()


def test_the_reference_has_every_metric_with_its_type_and_labels_and_no_other(
    settings, monkeypatch
):
    monkeypatch.setattr(exchange, "_place", exchange.Place())
    ended()
    RunnerFactory()
    TaskFactory()
    registry = CollectorRegistry()
    registry.register(OfEach())
    registry.register(collector)
    collector.forget()
    found = exposed(generate_latest(registry).decode())
    there = documented()
    assert found.keys() == there.keys()
    assert {name: kind for name, (kind, _) in found.items()} == {
        name: kind for name, (kind, _) in there.items()
    }
    of_samples = {name: one for name, (_, one) in found.items() if one is not None}
    assert len(of_samples) > len(there) - 6  # some need PostgreSQL, Redis or a key
    assert of_samples == {name: there[name][1] for name in of_samples}
