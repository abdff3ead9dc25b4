"""What comes in a burst is handled in its order, and lets others in between."""

import json
import shutil
import subprocess

import pytest
from django.conf import settings

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(not shutil.which("node"), reason="there is no node"),
]

# Each item takes a millisecond; `turns` counts how often it lets go.
SETTING = """
import { Slices } from "./slices.mjs";
const seen = [], errors = [];
globalThis.reportError = (error) => errors.push(error.message);
let turns = 0, more = () => {};
const slices = new Slices((text) => {
  for (const end = performance.now() + 1; performance.now() < end; );
  seen.push(text);
  more(text);
});
const soon = slices.soon.bind(slices);
slices.soon = () => { turns += 1; soon(); };
const until = async (isSo) => {
  while (!isSo()) await new Promise((done) => setTimeout(done, 1));
};
const numbers = Array.from({ length: 100 }, (_, n) => String(n));
const say = () => {
  console.log(JSON.stringify({ seen, errors, turns }));
  process.exit();
};
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script; returns what it says."""
    source = settings.BASE_DIR / "static/js/slices.js"
    shutil.copy(source, tmp_path / "slices.mjs")

    def runs(script: str) -> dict:
        (tmp_path / "test.mjs").write_text(SETTING + script)
        command = ["node", str(tmp_path / "test.mjs")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    return runs


ALL = [str(number) for number in range(100)]


def test_a_burst_is_handled_in_its_order_and_others_have_their_turn(run):
    said = run("""
more = (n) => { if (n === "99") say(); };
numbers.forEach((n) => slices.add(n));
""")
    assert said["seen"] == ALL
    assert said["turns"] >= 5


def test_one_that_fails_is_told_and_the_rest_goes_on(run):
    said = run("""
more = (n) => { if (n === "3") throw new Error("three"); };
numbers.forEach((n) => slices.add(n));
await until(() => seen.length === 100);
say();
""")
    assert said["seen"] == ALL
    assert said["errors"] == ["three"]


def test_what_waits_can_be_forgotten_also_by_what_is_handled(run):
    said = run("""
more = (n) => { if (n === "3") { slices.clear(); slices.add("after"); } };
numbers.forEach((n) => slices.add(n));
await until(() => seen.includes("after"));
say();
""")
    assert said["seen"] == ["0", "1", "2", "3", "after"]


def test_more_than_may_wait_is_handled_at_once(run):
    """So that whoever sends it is held up, and the page does not hold all of it."""
    said = run("""
const long = "x".repeat(1_000_000);
for (let n = 0; n < 5; n++) slices.add(long);
seen.length = Math.min(seen.length, 5);
seen.forEach((_, n) => { seen[n] = n; });
say();
""")
    assert said["seen"] == [0, 1, 2, 3, 4]
