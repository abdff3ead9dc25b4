"""How a client is told of Alibaba Cloud OSS, and what makes one of Moto's S3.

OSS speaks S3's API with less in it. What its documents and those who use it say, and
its answers word for word, are in resources/stores/bucket/profiles.py.
"""

import re
from urllib.parse import parse_qs, urlsplit

from tests.resources.faulty_proxy import forward_to

scheme = "s3"

# No such name is asked for anywhere: clients send what is for it to a proxy.
HOST = "oss-cn-hangzhou.aliyuncs.com"
CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


def environment(proxy):
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": f"http://{HOST}",
        "http_proxy": proxy,
        "no_proxy": "",
    }


class Oss:
    """Asks an S3 server at HOST:PORT what OSS would do, and refuses what it refuses."""

    def __init__(self, upstream):
        self._upstream = upstream
        self._forward = forward_to(upstream)

    def forward(self, method, url, headers, body):
        """Give status, headers and content of the answer."""
        parts = urlsplit(url)
        asked = {name.lower(): value for name, value in headers.items()}
        if refused := self._refusal(method, parts, asked):
            return refused
        bucket = asked["host"].removesuffix(f".{HOST}")
        path = f"/{bucket}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        asked["host"] = self._upstream
        if "if-match" in asked:  # of a GET
            asked["if-match"] = asked["if-match"].lower()
        if method == "POST" and "uploadId" in parse_qs(parts.query):
            body = re.sub(rb"[0-9A-F]{32}", lambda etag: etag[0].lower(), body)
        status, answered, content = self._forward(method, path, asked, body)
        for name in answered:
            if name.lower() == "etag":
                answered[name] = answered[name].upper()
        if method == "POST" or "list-type" in parts.query:
            content = re.sub(rb"(?<=<ETag>)[^<]+", in_capitals, content)
        return status, answered, content

    def _refusal(self, method, parts, headers):
        """Give the answer to what OSS doesn't take, None for what it takes."""
        if headers["host"] == HOST:
            return error(
                403,
                "SecondLevelDomainForbidden",
                "Please use virtual hosted style to access.",
                headers["host"],
            )
        if method not in ("PUT", "POST"):
            return None
        for name in CONDITIONS:
            if name.lower() in headers and method == "PUT":
                return not_implemented(headers["host"], name)
        for name in headers:
            if name.startswith(("x-amz-checksum-", "x-amz-trailer")):
                return not_implemented(headers["host"], name)
        if "delete" in parts.query and "content-md5" not in headers:
            return error(
                400,
                "MissingArgument",
                "Missing Some Required Arguments.",
                headers["host"],
                "<ArgumentName>Content-MD5</ArgumentName>",
            )
        return None


def in_capitals(etag):
    return re.sub(rb"[0-9a-f]{32}", lambda digest: digest[0].upper(), etag[0])


def not_implemented(host, header):
    return error(
        501,
        "NotImplemented",
        "A header you provided implies functionality that is not implemented.",
        host,
        f"<Header>{header}</Header>",
    )


def error(status, code, message, host, more=""):
    content = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error>\n  <Code>{code}</Code>\n  <Message>{message}</Message>\n"
        "  <RequestId>5E8B1A2C3D4F5A6B7C8D9E0F</RequestId>\n"
        f"  <HostId>{host}</HostId>\n  {more}\n</Error>\n"
    ).encode()
    return status, {"Content-Type": "application/xml"}, content
