"""Reads an answer as Prometheus does."""

from prometheus_client.parser import text_string_to_metric_families

from tasks.api.metrics.view import collector


def samples(response):
    """The values of an answer, by name and values of labels: the type's first, the
    bound of a histogram last."""
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        (
            sample.name,
            *(value for _, value in sorted(sample.labels.items(), key=_place)),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def scrape(client):
    """What a scrape finds now."""
    collector.forget()
    return samples(client.get("/metrics"))


def _place(label):
    name, _ = label
    return {"type": 0, "le": 2}.get(name, 1), name
