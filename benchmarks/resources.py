"""The engine beside the tools that people use instead: seconds, processor, ratios.

    .venv/bin/python benchmarks/resources.py [--quick] [--rows abc] [--rounds 3]

Prints a Markdown table and then JSON with every single measurement. What the rows
mean is in README.md.
"""

import argparse
import atexit
import hashlib
import json
import os
import platform
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from rows import markdown, number

ROOT = Path(__file__).resolve().parent.parent
PYTHON = [sys.executable, "-m", "resources"]
SCRIPTS = Path(sysconfig.get_path("scripts"))
OURS = "ours"
LIMIT_SECONDS = 600
BUCKET = "bench"
MADE_AT = 1_700_000_000  # when the oldest files were made


@dataclass(frozen=True)
class Sizes:
    small_files: int
    large_files: int
    large_bytes: int
    game_files: int
    game_bytes: int
    entries: int
    sent_small: int
    sent_large_bytes: int
    kept_in_bucket: int


FULL = Sizes(
    100_000, 8, 256_000_000, 1245, 300_000_000, 1_000_000, 1000, 64_000_000, 10_000
)
QUICK = Sizes(5_000, 2, 32_000_000, 300, 30_000_000, 50_000, 100, 8_000_000, 300)


@dataclass(frozen=True)
class Way:
    """One program doing the row's work. ``before`` is not measured."""

    name: str
    command: list[str]
    before: Callable[[], None] = lambda: None
    cwd: Path | None = None
    exit_codes: tuple[int, ...] = (0,)
    prints_memory: bool = False  # the most it had, in MB
    estimate: Callable[[], float] | None = None  # seconds, instead of running it


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    goals: dict[str, str]
    ways: list[Way]


class Trees:
    """What is worked on: made once, the same each time."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        self.source, self.store = folder / "source", folder / "store"
        # With compiled modules, as anybody who starts it a second time has them.
        left_out = ("RESOURCE_", "PYTHONDONTWRITEBYTECODE")
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(left_out)},
            "RESOURCE_SOURCE": str(self.source),
            "RESOURCE_STORE": str(self.store),
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_REGION": "us-east-1",
        }

    def release(self, version: str, files: Iterator[tuple[str, bytes]]) -> Path:
        """A version for iOS with its manifest, which has the md5, too."""
        folder = self.source / "ios" / version
        made: set[Path] = set()
        for name, content in files:
            path = folder / name
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            path.write_bytes(content)
            # The same content has the same time, as rsync and rclone go by that.
            changed = MADE_AT + zlib.crc32(content) % 1_000_000
            os.utime(path, (changed, changed))
        subprocess.run(
            [*PYTHON, "manifest", str(folder)],
            check=True,
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.DEVNULL,
        )
        return folder

    def sums(self, release: Path, program: str) -> Path:
        """A checksum file of a release, beside its folder."""
        path = self.folder / f"{release.name}.{program}"
        names = sorted(
            str(found.relative_to(release))
            for found in release.rglob("*")
            if found.is_file() and found.name != "manifest.jsonl"
        )
        lines = subprocess.run(
            ["xargs", "-0", program],
            input="\0".join(names).encode(),
            cwd=release,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        path.write_bytes(lines)
        return path


def small(sizes: Sizes, changed_every: int = 0) -> Iterator[tuple[str, bytes]]:
    """Files of 1 to 32 KB; every ``changed_every``-th is another one."""
    for index in range(sizes.small_files):
        is_other = changed_every > 0 and index % changed_every == 0
        # Not -index, which is the same seed.
        dice = random.Random(index + is_other * sizes.small_files)
        name = f"assets/{index % 256:02x}/{index:06x}.bin"
        yield name, dice.randbytes(dice.randint(1024, 32 * 1024))


def large(count: int, size: int) -> Iterator[tuple[str, bytes]]:
    for index in range(count):
        yield f"video/{index}.mp4", random.Random(index).randbytes(size)


def game(sizes: Sizes) -> Iterator[tuple[str, bytes]]:
    for index in range(sizes.game_files):
        size = sizes.game_bytes // sizes.game_files
        yield f"res/{index:05}.png", random.Random(index).randbytes(size)


def linked(release: Path, target: Path) -> Path:
    """The same files by hard links, without a manifest."""
    shutil.copytree(release, target, copy_function=os.link)
    (target / "manifest.jsonl").unlink()
    return target


def cocos(release: Path, target: Path) -> Path:
    """The same release with a project.manifest, its files hard links."""
    linked(release, target)
    assets = {
        str(path.relative_to(target)): {
            "md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        }
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }
    manifest = {"packageUrl": "https://cdn.example", "version": "1", "assets": assets}
    (target / "project.manifest").write_text(json.dumps(manifest))
    return target


# --- The rows -------------------------------------------------------------------------


def rows(trees: Trees, wanted: str, s3_url: str) -> list[Row]:
    chosen = []
    for key, make in MAKERS.items():
        if not wanted or key in wanted:
            print(f"Making what row {key} needs…", file=sys.stderr)
            chosen += make(trees, s3_url)
    return chosen


def checks_of_small_files(trees: Trees, _: str) -> list[Row]:
    release = trees.release("v100", small(trees.sizes))
    md5, sha = trees.sums(release, "md5sum"), trees.sums(release, "sha256sum")
    md5sum = Way("md5sum -c", ["md5sum", "-c", "--quiet", str(md5)], cwd=release)
    rclone = Way(
        "rclone checksum md5", [*RCLONE, "checksum", "md5", str(md5), str(release)]
    )
    cocos(release, trees.source / "ios" / "v101")
    listed = linked(release, trees.source / "ios" / "v104")
    shutil.copy(md5, listed / "files.md5")
    return [
        Row(
            "a",
            "check of many small files, SHA-256",
            {
                "md5sum -c": "≥ 2.8",
                "rclone checksum md5": "≥ 4.5",
                "sha256sum -c": "≥ 5",
            },
            [
                Way(OURS, [*PYTHON, "check", "v100", "--platform", "ios"]),
                md5sum,
                # manifest.jsonl is not on the list, which rclone calls a difference
                Way(rclone.name, rclone.command, exit_codes=(0, 1)),
                Way(
                    "sha256sum -c",
                    ["sha256sum", "-c", "--quiet", str(sha)],
                    cwd=release,
                ),
            ],
        ),
        Row(
            "b",
            "the same by a Cocos manifest, md5",
            {"md5sum -c": "≥ 1.6", "rclone checksum md5": "≥ 2.5"},
            [
                Way(OURS, [*PYTHON, "check", "v101", "--platform", "ios"]),
                md5sum,
                Way(rclone.name, rclone.command, exit_codes=(0, 1)),
            ],
        ),
        Row(
            "l",
            "the same by a list of md5sum",
            {"md5sum -c": "≥ 1.5"},
            [Way(OURS, [*PYTHON, "check", "v104", "--platform", "ios"]), md5sum],
        ),
    ]


def check_of_large_files(trees: Trees, _: str) -> list[Row]:
    sizes = trees.sizes
    release = trees.release("v200", large(sizes.large_files, sizes.large_bytes))
    md5 = trees.sums(release, "md5sum")
    return [
        Row(
            "c",
            "check of large files, SHA-256",
            {"md5sum -c": "≥ 3.5", "openssl speed": "≥ 0.8"},
            [
                Way(OURS, [*PYTHON, "check", "v200", "--platform", "ios"]),
                Way("md5sum -c", ["md5sum", "-c", "--quiet", str(md5)], cwd=release),
                Way(
                    "openssl speed",
                    [],
                    estimate=lambda: (
                        sizes.large_files * sizes.large_bytes / openssl_speed()
                    ),
                ),
            ],
        )
    ]


def openssl_speed() -> float:
    """Bytes a second that OpenSSL's SHA-256 does on all cores together."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", str(1 << 20)]
    said = subprocess.run(
        [*command, "-multi", str(os.cpu_count()), "-evp", "sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return float(said.split()[-1].removesuffix("k")) * 1000


def check_of_a_game(trees: Trees, _: str) -> list[Row]:
    trees.release("v300", game(trees.sizes))
    check = [*PYTHON, "check", "v300", "--platform", "ios"]
    goals = {OURS: "≤ 0.3 s"}
    return [Row("d", "check of a game, whole process", goals, [Way(OURS, check)])]


def syncs(trees: Trees, _: str) -> list[Row]:
    release = trees.source / "ios" / "v100"
    if not release.exists():
        trees.release("v100", small(trees.sizes))
    trees.release("v102", small(trees.sizes, changed_every=100))
    trees.release("v103", small(trees.sizes))
    ours, rsync, rclone = (
        trees.folder / name for name in ("to-ours", "to-rsync", "to-rclone")
    )

    def empty(*folders: Path) -> Callable[[], None]:
        def before() -> None:
            # Not deleted: ext4 steps over each inode that was deleted within the last
            # minutes when it looks for a free one, which takes longer than the copying.
            for folder in folders:
                if folder.exists():
                    folder.rename(f"{folder}-{time.time_ns()}")
            os.sync()

        return before

    def filled(folder: Path, command: list[str]) -> Callable[[], None]:
        def before() -> None:
            empty(folder)()
            run(Way("", command), trees)
            os.sync()

        return before

    def sync(version: str, *more: str) -> list[str]:
        where = ["--platform", "ios", "--store", str(ours)]
        return [*PYTHON, "sync", version, *where, *more]

    def copy(program: list[str], version: str, target: Path) -> list[str]:
        return [*program, f"{trees.source}/ios/{version}/", f"{target}/"]

    return [
        Row(
            "e",
            "verified sync of many small files into nothing",
            {"rsync -a": "≥ 1.5", "rclone sync": "≥ 4"},
            [
                Way(OURS, sync("v100"), empty(ours)),
                Way("rsync -a", copy(["rsync", "-a"], "v100", rsync), empty(rsync)),
                Way(
                    "rclone sync",
                    copy([*RCLONE, "sync"], "v100", rclone),
                    empty(rclone),
                ),
            ],
        ),
        Row(
            "f",
            "the same with 1 % changed",
            {"rsync -a": "≥ 1", "rsync -a --checksum": "≥ 2"},
            [
                Way(OURS, sync("v102"), filled(ours, sync("v100"))),
                *(
                    Way(
                        " ".join(program),
                        copy(program, "v102", rsync),
                        filled(rsync, copy(["rsync", "-a"], "v100", rsync)),
                    )
                    for program in (["rsync", "-a"], ["rsync", "-a", "--checksum"])
                ),
            ],
        ),
        Row(
            "k",
            "the same files as a version of their own, by hard links",
            {"rsync -a": "≥ 5"},
            [
                Way(OURS, sync("v103", "--reuse", "copy"), filled(ours, sync("v100"))),
                Way("rsync -a", copy(["rsync", "-a"], "v103", rsync), empty(rsync)),
            ],
        ),
    ]


def uploads(trees: Trees, url: str) -> list[Row]:
    trees.release("v400", numbered(trees.sizes.sent_small, 16_384))
    trees.release("v500", large(4, trees.sizes.sent_large_bytes))
    made = []
    for key, version, title in (
        ("g", "v400", "upload of small files to S3"),
        ("h", "v500", "upload of large files to S3"),
    ):
        source = f"{trees.source}/ios/{version}/"

        made.append(
            Row(
                key,
                title,
                {"rclone sync": "≥ 1 at ≤ 0.6 × CPU", "aws s3 sync": "≥ 3"},
                [
                    Way(
                        OURS,
                        [
                            "sh",
                            "-c",
                            '"$@" --store "s3://$0/ours-$(date +%s%N)?conditions=off"',
                            BUCKET,
                            *PYTHON,
                            "sync",
                            version,
                            "--platform",
                            "ios",
                        ],
                    ),
                    Way(
                        "rclone sync",
                        [
                            "sh",
                            "-c",
                            '"$@" ":s3:$0/rclone-$(date +%s%N)"',
                            BUCKET,
                            *RCLONE,
                            "--s3-provider",
                            "Rclone",
                            "--s3-endpoint",
                            url,
                            "--s3-env-auth",
                            "sync",
                            source,
                        ],
                    ),
                    *(
                        [
                            Way(
                                "aws s3 sync",
                                [
                                    "sh",
                                    "-c",
                                    '"$@" "s3://$0/aws-$(date +%s%N)"',
                                    BUCKET,
                                    AWS,
                                    "--endpoint-url",
                                    url,
                                    "s3",
                                    "sync",
                                    "--quiet",
                                    source,
                                ],
                            )
                        ]
                        if AWS
                        else []
                    ),
                ],
            )
        )
    return made


def numbered(
    count: int, size: int, changed_every: int = 0
) -> Iterator[tuple[str, bytes]]:
    for index in range(count):
        is_other = changed_every > 0 and index % changed_every == 0
        dice = random.Random(index + is_other * count)
        yield f"res/{index:05}.bin", dice.randbytes(size)


def buckets(trees: Trees, url: str) -> list[Row]:
    """Return the rows of syncs into a bucket that has all of it, or all but 1 %."""
    count = trees.sizes.kept_in_bucket
    for version, every in (("v700", 0), ("v701", 100)):
        trees.release(version, numbered(count, 4096, every))
    server = ["--s3-provider", "Rclone", "--s3-endpoint", url, "--s3-env-auth"]
    prefix = trees.folder / "prefix"  # a new one each time: the server caches folders

    def ours(version: str) -> list[str]:
        store = f'"s3://{BUCKET}/ours-$(cat "$0")?conditions=off"'
        sync = [*PYTHON, "sync", version, "--platform", "ios", "--store"]
        return ["sh", "-c", f'"$@" {store}', str(prefix), *sync]

    def rclone(version: str) -> list[str]:
        target = f'":s3:{BUCKET}/rclone-$(cat "$0")"'
        sync = [*RCLONE, *server, "sync", "--checksum"]
        source = f"{trees.source}/ios/{version}/"
        return ["sh", "-c", f'"$@" {target}', str(prefix), *sync, source]

    def filled(command: Callable[[str], list[str]]) -> Callable[[], None]:
        def before() -> None:
            prefix.write_text(str(time.time_ns()))
            run(Way("", command("v700")), trees)

        return before

    other = "rclone sync --checksum"
    goals = {"m": {other: "≥ 1"}, "n": {other: "≥ 2"}}
    titles = {"m": "S3 with 1 % changed", "n": "S3 with nothing changed"}
    return [
        Row(
            key,
            titles[key],
            goals[key],
            [
                Way(name, command(version), filled(command))
                for name, command in ((OURS, ours), (other, rclone))
            ],
        )
        for key, version in (("m", "v701"), ("n", "v700"))
    ]


def moves(trees: Trees, _: str) -> list[Row]:
    """Return the rows of what two versions differ by, and of pointers that move between
    them."""
    for version, every in (("v100", 0), ("v102", 100)):
        if not (trees.source / "ios" / version).exists():
            trees.release(version, small(trees.sizes, changed_every=every))
    store = trees.folder / "moves"

    def ours(*arguments: str) -> list[str]:
        where = ["--platform", "ios", "--store", str(store)]
        return [*PYTHON, *arguments, *where]

    def prepare(*commands: list[str]) -> Callable[[], None]:
        def before() -> None:
            for command in commands:
                run(Way("", command), trees)

        return before

    both = [
        ours("sync", "v100", "--allow-older"),
        ours("sync", "v102", "--channel", "beta"),
    ]
    live = ours("publish", "v102")
    lists = [
        str(trees.sums(trees.source / "ios" / version, "sha256sum"))
        for version in ("v100", "v102")
    ]
    # The same look at each file as the engine takes before a pointer moves.
    find = Way("find -size", ["find", str(store), "-type", "f", "-size", "+64k"])
    return [
        Row(
            "o",
            "what two versions differ by",
            {OURS: "≤ 1 s"},
            [
                Way(
                    OURS,
                    ours("changes", "v102", "--from", "v100"),
                    prepare(*both, live),
                ),
                Way("diff of two lists", ["diff", "-q", *lists], exit_codes=(1,)),
            ],
        ),
        Row(
            "p",
            "promote from one channel to another",
            {OURS: "≤ 0.5 s"},
            [
                Way(
                    OURS,
                    ours("promote", "--from", "beta"),
                    prepare(live, ours("rollback", "v100")),
                ),
                find,
            ],
        ),
        Row(
            "q",
            "rollback",
            {OURS: "≤ 0.5 s"},
            [Way(OURS, ours("rollback", "v100"), prepare(live)), find],
        ),
    ]


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.errors;
events {{ }}
http {{
    access_log off; keepalive_requests 1000000; include {folder}/headers.conf;
    server {{
        listen 127.0.0.1:{port} backlog=1024; root {store};
        location / {{
{lines}
        }}
    }}
}}
"""


def public_checks(trees: Trees, _: str) -> list[Row]:
    """All files of a version, served by nginx until the benchmark ends."""
    nginx = shutil.which("nginx", path=f"/usr/sbin:{os.environ['PATH']}")
    if nginx is None:
        print("No nginx: row r is left out.", file=sys.stderr)
        return []
    count = trees.sizes.small_files // 10
    trees.release("v750", islice(small(trees.sizes), count))
    rules, _ = (
        subprocess.run(
            [*PYTHON, *arguments], cwd=ROOT, env=trees.env, check=True,
            capture_output=True, text=True,
        ).stdout
        for arguments in (
            ("headers", "--nginx"),
            ("sync", "v750", "--platform", "ios", "--guard", "100"),
        )
    )  # fmt: skip
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    lines = [line[1:] for line in rules.splitlines() if line[:5] == "#    "]
    (trees.folder / "headers.conf").write_text(rules)
    site = trees.folder / "nginx.conf"
    site.write_text(
        NGINX.format(
            folder=trees.folder, port=port, store=trees.store, lines="\n".join(lines)
        )
    )
    errors = trees.folder / "nginx.errors"
    server = subprocess.Popen([nginx, "-c", str(site), "-e", str(errors)])
    atexit.register(server.terminate)
    trees.env["RESOURCE_PUBLIC_URL"] = url
    wait_for(port)
    config = trees.folder / "curl"
    folder = trees.source / "ios" / "v750"
    config.write_text(
        "".join(
            f'url = "{url}/ios/versions/v750/{path.relative_to(folder)}"\n'
            'output = "/dev/null"\n'
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
    )
    check = ["verify-public", "v750", "--platform", "ios", "--files", "all"]
    curl = ["curl", "--silent", "--parallel", "--config", str(config)]
    return [
        Row(
            "r",
            "verify-public of small files over loopback",
            {"curl --parallel": "≥ 1"},
            [Way(OURS, [*PYTHON, *check]), Way("curl --parallel", curl)],
        )
    ]


READ_MANIFESTS = """
import resource
import sys
from pathlib import Path
from resources.releases.safeguards.guard import count_lost
from resources.manifests.line_file import LineFile
from resources.manifests.reader import Manifest
from resources.workers.pool import worker_count

def manifest(path):
    return Manifest(path, LineFile(open(path, "rb")), platform="ios",
                    version=Path(path).stem, published=True)

what, *paths = sys.argv[1:]
found = [manifest(path) for path in paths]
if what == "read":
    found[0].verify()
else:
    count_lost(*found)
# The usage of a process itself begins with that of the one which started it.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
own = int(status["VmHWM"].split()[0])
helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print((own + helper * worker_count()) / 1000)
"""


def manifests(trees: Trees, _: str) -> list[Row]:
    code = (
        "from resources.manifests.format import *\nimport hashlib, sys\n"
        + MAKE_MANIFEST
    )
    paths = []
    for version, every in (("v600", 0), ("v601", 100)):
        path = trees.folder / f"{version}.jsonl"
        arguments = [str(path), version, str(trees.sizes.entries), str(every)]
        subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True)
        paths.append(str(path))
    read = [sys.executable, "-c", READ_MANIFESTS]
    return [
        Row(key, title, {OURS: goal}, [Way(OURS, command, prints_memory=True)])
        for key, title, goal, command in (
            ("i", "read a manifest", "≤ 1 s, 150 MB", [*read, "read", paths[0]]),
            ("j", "compare two of them", "≤ 3 s, 150 MB", [*read, "compare", *paths]),
        )
    ]


MAKE_MANIFEST = """
path, version = sys.argv[1:3]
count, every = map(int, sys.argv[3:])
def entries():
    for n in range(count):
        other = b"other" if every and n % every == 0 else b""
        digest = hashlib.sha256(b"%d" % n + other).hexdigest()
        name = f"assets/main/native/{n // 4096:03x}/{n:08x}-{digest[:8]}.png"
        yield Entry(name, n % 50_000, digest)
def total():
    return sum(n % 50_000 for n in range(count))
with open(path, "wb") as file:
    file.writelines(manifest_lines(Header("ios", version, count, total()), entries()))
"""
MAKERS = {
    "a": checks_of_small_files,
    "c": check_of_large_files,
    "d": check_of_a_game,
    "e": syncs,
    "g": uploads,
    "i": manifests,
    "m": buckets,
    "o": moves,
    "r": public_checks,
}
RCLONE = [str(SCRIPTS / "rclone"), "--config", os.devnull, "-q"]
AWS = os.environ.get("AWS_CLI") or shutil.which("aws")


# --- Measuring ------------------------------------------------------------------------


def run(way: Way, trees: Trees) -> dict[str, float]:
    """Seconds and processor seconds of a program and its children; and the most memory
    where it says that itself (rusage has its parent's, too)."""
    started = time.monotonic()
    if way.estimate is not None:
        return {"s": way.estimate(), "cpu s": 0.0}
    process = subprocess.Popen(
        way.command,
        cwd=way.cwd or ROOT,
        env=trees.env,
        stdout=subprocess.PIPE if way.prints_memory else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said, printed = process.stderr.read(), b""
    if way.prints_memory:
        printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in way.exit_codes:
        raise RuntimeError(f"{way.name}: exit {process.returncode}: {said[-500:]!r}")
    cpu = used.ru_utime + used.ru_stime
    memory = {"MB": float(printed)} if way.prints_memory else {}
    return {"s": seconds, "cpu s": cpu, **memory}


def measure(chosen: list[Row], trees: Trees, rounds: int) -> list[dict]:
    """Each row's ways in turns, so that what else the machine does hits all alike."""
    measured = []
    for row in chosen:
        for way in row.ways:  # once for the page cache and the compiled files
            way.before()
            run(way, trees)
        for turn in range(rounds):
            first = turn % len(row.ways)
            for way in row.ways[first:] + row.ways[:first]:
                way.before()
                figures = run(way, trees)
                shown = ", ".join(f"{figures[name]:.3g} {name}" for name in figures)
                print(f"({row.key}) {way.name}: {shown}", file=sys.stderr)
                measured.append(
                    {"row": row.key, "round": turn, "way": way.name, **figures}
                )
    return measured


def table(chosen: list[Row], measured: list[dict]) -> str:
    """Medians; ``×`` is how many times as fast we are, the median of each round's."""
    lines = [
        ["", "", "s", "cpu s", "MB", "× ours", "goal"],
        ["---", "---", *["---:"] * 4, "---"],
    ]
    for row in chosen:
        found = {
            way.name: [
                one
                for one in measured
                if (one["row"], one["way"]) == (row.key, way.name)
            ]
            for way in row.ways
        }
        for way in row.ways:
            mine = found[way.name]
            ratio = median(
                a["s"] / b["s"] for a, b in zip(mine, found[OURS], strict=True)
            )
            lines.append(
                [
                    f"({row.key}) {row.title}" if way.name == OURS else "",
                    way.name,
                    *(
                        number(median(one[name] for one in mine if name in one))
                        if name in mine[0]
                        else ""
                        for name in ("s", "cpu s", "MB")
                    ),
                    "" if way.name == OURS else f"{ratio:.2f}",
                    row.goals.get(way.name, ""),
                ]
            )
    return markdown(lines)


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Rclone's, which keeps objects in a folder; it has no conditions."""
    (folder / BUCKET).mkdir(parents=True)
    port = free_port()
    process = subprocess.Popen(
        [*RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", str(folder)],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"The server at port {port} does not start.")
        time.sleep(0.05)


def environment() -> dict[str, str]:
    def first_line(*command: str) -> str:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        return (said.stdout or said.stderr).partition("\n")[0].strip()

    openssl = first_line(
        "sh",
        "-c",
        "openssl speed -seconds 2 -bytes 1048576 -evp sha256 2>/dev/null | tail -1",
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}",
        "python": platform.python_version(),
        "rsync": first_line("rsync", "--version"),
        "rclone": first_line(RCLONE[0], "version"),
        "md5sum": first_line("md5sum", "--version"),
        "aws": first_line(AWS, "--version") if AWS else "not there",
        "openssl speed sha256, 1 MB, 1000s of bytes a second": openssl,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small trees, one round")
    parser.add_argument("--rounds", type=int, help="of each row (3)")
    parser.add_argument(
        "--rows",
        default="",
        help="only these: a (and b, l), c, d, e (and f, k), g (and h), i (and j),"
        " m (and n), o (and p, q), r",
    )
    parser.add_argument("--folder", help="where the trees are made (TMPDIR)")
    options = parser.parse_args()
    if options.folder:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    try:
        trees = Trees(folder, QUICK if options.quick else FULL)
        with s3_server(folder / "s3") as url:
            trees.env["AWS_ENDPOINT_URL"] = url
            chosen = rows(trees, options.rows, url)
            measured = measure(
                chosen, trees, options.rounds or (1 if options.quick else 3)
            )
        print(table(chosen, measured))
        print(f"\n{json.dumps({'environment': environment(), 'runs': measured})}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
