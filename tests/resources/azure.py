"""How a client is told of azurite, how it is started, and how a container is made."""

import base64
import hashlib
import hmac
import urllib.request
from email.utils import formatdate

from tests.left_out import AZURITE as PROGRAM

scheme = "az"

# Azurite's own, known to everybody: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
ACCOUNT = "devstoreaccount1"
KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw"
    "=="
)
API = "2021-08-06"


def environment(endpoint):
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": f"{endpoint}/{ACCOUNT}",
    }


def command(folder, port):
    quiet = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
    return (PROGRAM, "--location", folder, "--blobPort", str(port), *quiet)


def make_container(port, name):
    """Sign the one request that the library has no function for.

    Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    date = formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:{API}\n"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    text = "PUT" + "\n" * 12 + headers + resource
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{ACCOUNT}/{name}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": API,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
            "Content-Length": "0",
        },
    )
    urllib.request.urlopen(request).close()
