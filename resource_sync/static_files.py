"""Static files in few pieces, under names that change with what is in them."""

from collections.abc import Iterator
from typing import Any

from django.contrib.staticfiles import apps
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

from resource_sync.bundles import (
    BundleError,
    bundle,
    imports,
    sheet_bundle,
    short_script,
    short_sheet,
)

Paths = dict[str, tuple[Storage, str]]


class StaticFilesConfig(apps.StaticFilesConfig):
    """Django's, without what no page of ours refers to: half of the 34 MB, and of the
    seconds that the first start takes for them."""

    ignore_patterns = [
        *apps.StaticFilesConfig.ignore_patterns,
        "redoc",
        "rest_framework",
        "gis",
    ]


class BundledStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Served to be kept for years: a file that changes has another name. What a page
    imports is in the page's own file, and has none."""

    support_js_module_import_aggregation = True
    # In ours alone: looking for imports in the libraries' takes seconds.
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )

    def post_process(self, paths: Paths, **options: Any) -> Iterator[Any]:
        return super().post_process(bundled(paths), **options)  # type: ignore[no-any-return]


def bundled(paths: Paths) -> Paths:
    """Return what is served in place of what is written."""
    made = InMemoryStorage()

    def read(name: str) -> str:
        if name not in paths:
            raise BundleError(
                f"{name}: a file of ours imports it, and it is not there."
            )
        storage, path = paths[name]
        with storage.open(path) as file:
            return bytes(file.read()).decode()

    scripts = {name: read(name) for name in paths if _is_ours(name, "js")}
    inner = {other for name, text in scripts.items() for other in imports(name, text)}
    served = {name: place for name, place in paths.items() if name not in inner}
    for name in scripts.keys() - inner:
        made.save(name, ContentFile(short_script(bundle(name, read)).encode()))
    for name in paths:
        if _is_ours(name, "css"):
            made.save(name, ContentFile(short_sheet(sheet_bundle(name, read)).encode()))
    return {n: (made, n) if made.exists(n) else place for n, place in served.items()}


def _is_ours(name: str, kind: str) -> bool:
    return name.startswith((f"{kind}/", "vendor/")) and name.endswith(f".{kind}")
