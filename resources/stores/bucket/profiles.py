"""How S3's likes differ from S3: what each service takes, and what it refuses.

A profile is what its service's documents say and what has been seen of it; none of
them can be asked while this is built, so ``python -m resources probe`` asks the store
itself. Sources, each read in November 2026:

* Amazon: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
* OSS: path style is refused with 403 SecondLevelDomainForbidden
  (https://www.alibabacloud.com/help/en/oss/developer-reference/compatibility-with-amazon-s3),
  If-Match and If-None-Match of a PutObject as NotImplemented, with 400 in the document
  (https://help.aliyun.com/en/oss/user-guide/0017-00000245) and 501 where it was seen
  (https://github.com/tobi/walgit/issues/67); DeleteObjects heeds Content-MD5 alone
  (https://github.com/milvus-io/milvus-storage/pull/500)
* COS: path style is refused with 403 PathStyleDomainForbidden in buckets made since
  2024 (https://www.tencentcloud.com/document/product/436/75050); its documents of
  PutObject have no If-Match (https://www.tencentcloud.com/document/product/436/7749)
* R2: https://developers.cloudflare.com/r2/api/s3/api/ and
  https://developers.cloudflare.com/r2/api/s3/conditional-operations/
* MinIO: conditions since RELEASE.2024-05-07
  (https://github.com/minio/minio/pull/19682)
* B2: both styles (https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api),
  If-None-Match as NotImplemented
  (https://github.com/sathinduga/obsidian-s3-sync-and-backup/pull/84),
  x-amz-checksum-sha256 with 400 InvalidArgument
  (https://github.com/iterate-ch/cyberduck/issues/16107)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Style = Literal["path", "virtual"]


class Abilities(NamedTuple):
    """What requests to an S3 server rely on.

    ``style`` is where a request names the bucket: in the path, or as the first label of
    the host (virtual-hosted style). ``conditions`` are If-Match and If-None-Match of a
    PutObject; ``checksums`` x-amz-checksum-sha256 with every write; ``bulk_delete``
    one DeleteObjects for 1,000 objects instead of a DeleteObject for each.
    """

    style: Style = "path"
    conditions: bool = True
    checksums: bool = True
    bulk_delete: bool = True

    def need_no_more_than(self, others: Abilities) -> bool:
        """Return whether a server with other abilities of the same style can do it."""
        return self.style == others.style and all(
            other or not own for own, other in zip(self[1:], others[1:], strict=True)
        )

    def options(self) -> dict[str, str]:
        """Return the options of a store's URL that say the same, but for those that
        would say what holds without them."""
        written = {
            "style": self.style,
            "conditions": "on" if self.conditions else "off",
            "checksums": "on" if self.checksums else "off",
            "deletes": "many" if self.bulk_delete else "each",
        }
        defaults = dict(zip(written, ("path", "on", "on", "many"), strict=True))
        return {name: word for name, word in written.items() if word != defaults[name]}


class Profile(NamedTuple):
    """A service: its name for people, the endings of its endpoints' hosts, and what
    requests to it rely on."""

    service: str
    hosts: tuple[str, ...]
    abilities: Abilities


PROFILES = {
    "aws": Profile("Amazon S3", (".amazonaws.com",), Abilities("virtual")),
    "oss": Profile(
        "Alibaba Cloud OSS",
        (".aliyuncs.com",),
        Abilities("virtual", conditions=False, checksums=False, bulk_delete=False),
    ),
    "cos": Profile(
        "Tencent Cloud COS",
        (".myqcloud.com", ".tencentcos.cn"),
        Abilities("virtual", conditions=False, checksums=False, bulk_delete=False),
    ),
    "r2": Profile("Cloudflare R2", (".r2.cloudflarestorage.com",), Abilities()),
    "minio": Profile("MinIO", (), Abilities()),
    "b2": Profile(
        "Backblaze B2",
        (".backblazeb2.com",),
        Abilities(conditions=False, checksums=False, bulk_delete=False),
    ),
}


def profile_of(text: str) -> str:
    """Return the name of the profile whose service a host or an answer names, empty for
    none.

    >>> profile_of("https://oss-cn-hangzhou.aliyuncs.com"), profile_of("192.0.2.1:9000")
    ('oss', '')
    """
    for name, profile in PROFILES.items():
        if any(host in text for host in profile.hosts):
            return name
    return ""


def fitting(able: Sequence[Abilities], likely: str = "") -> str:
    """Return the name of the profile for a server, empty where none is right.

    ``able`` is what the server takes, once for each style; ``likely`` is the profile of
    its service, where that is known. It is right where it relies on no more than there
    is, any other one where it relies on just that.

    >>> fitting([Abilities("virtual", False, True, False)], likely="cos")
    'cos'
    >>> fitting([Abilities()]), fitting([Abilities(conditions=False)])
    ('minio', '')
    """
    if likely and any(
        PROFILES[likely].abilities.need_no_more_than(other) for other in able
    ):
        return likely
    same = [name for name, profile in PROFILES.items() if profile.abilities in able]
    # MinIO is the one that people run themselves, R2 is known by its host.
    return "minio" if "minio" in same else next(iter(same), "")
