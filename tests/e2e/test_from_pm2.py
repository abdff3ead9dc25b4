"""The task type that the document makes of an app of PM2 runs a script of Node."""

import re
import shutil

import pytest

from .conftest import ROOT, Service

pytestmark = [pytest.mark.e2e, pytest.mark.node]
PAGE = ROOT / "docs/how-to/from-pm2.md"
NODE = shutil.which("node")
SCRIPT = """
console.log(process.argv.slice(2).join(" "), process.env.NODE_ENV);
%s
"""


def printed(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def service(tmp_path, new_database_url):
    if NODE is None:
        pytest.skip("node is not there")
    (tmp_path / "tools").mkdir()
    _, speaks = printed("js")
    (tmp_path / "tools" / "sync.js").write_text(SCRIPT % speaks)
    kind = printed("toml")[0]
    for old, new in (
        ("/srv/studio/tools", str(tmp_path / "tools")),
        ("/usr/bin/node", NODE),
    ):
        assert kind.count(old) == 1
        kind = kind.replace(old, new)
    folder = tmp_path / "data"
    folder.mkdir()
    service = Service(folder, new_database_url())
    types = folder / "studio.toml"
    types.write_text(kind)
    service.env["TASK_TYPES_FILE"] = str(types)
    try:
        yield service
    finally:
        service.stop()


def test_the_type_of_the_document_runs_the_script_as_pm2_did(service):
    service.manage("check_types")
    service.run()
    task = service.wait_for(service.create("sync-assets", version="v885"))
    lines = [line["message"] for line in service.lines(task["id"])]
    assert "--target staging --version v885 production" in lines
    # What the script says besides, and its exit code, as the document has it.
    assert task["status"] == "failed"
    assert task["progress"] == 40
    assert task["result"]["results"][0]["exitCode"] == 1
    assert task["result"]["outputs"] == {"files": "1024"}
