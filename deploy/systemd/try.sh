#!/usr/bin/env bash
# Tries the units where they can do no harm: boots a bare Debian in systemd-nspawn, does
# there what docs/how-to/production.md says, and fails where something is not as it
# should be. As root, with debootstrap and systemd-container; needs the network once, to
# fetch Debian and the Python packages, and keeps both in TRY_FOLDER (1 GB).
#
#   deploy/systemd/try.sh
#
# Exit codes: 0 all is well, 1 something is not, 77 this machine can't try it.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

folder=${TRY_FOLDER:-/var/tmp/resource-sync-try}
late_seconds=${TRY_LATE_SECONDS:-60} # how long the database is away
guide=docs/how-to/production.md
machine=resource-sync-try-$$

say() { printf '\n=== %3d s: %s\n' "$SECONDS" "$*"; }
fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    [ -z "$leader" ] || inside journalctl --no-pager --lines 40 --unit 'resource-sync*' >&2
    exit 1
}
leave_out() {
    echo "Not tried: $*" >&2
    exit 77
}

key= # the one that the first start shows

# --- The machine ----------------------------------------------------------------------

leader= # its process 1, as this machine numbers it
nspawn=
work=

for_what_is_missing() {
    [ "$(id -u)" = 0 ] || leave_out "only root can boot a machine"
    for program in debootstrap systemd-nspawn nsenter git; do
        PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || leave_out "there is no $program"
    done
}

make_base() { # Debian, with what its installer would have put there, and PostgreSQL
    [ -e "$folder/base/etc/debian_version" ] && return
    say "Fetching Debian"
    local part="$folder/base.part"
    rm -rf "$part"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,iproute2,ca-certificates,curl,git,make,python3-venv,sqlite3,postgresql \
        bookworm "$part" >"$folder/debootstrap.log" || leave_out "see $folder/debootstrap.log"
    rm -f "$part"/var/cache/apt/archives/*.deb
    # Another, where a server of this machine had that one when the cluster was made.
    sed -i 's/^port = .*/port = 5432/' "$part"/etc/postgresql/*/main/postgresql.conf
    mv "$part" "$folder/base"
}

fetch_packages() { # by the machine's own Python, with this one's network and settings
    cmp -s requirements.txt "$folder/wheels/requirements.txt" && return
    say "Fetching the Python packages"
    rm -rf "$folder/wheels" && mkdir "$folder/wheels"
    local settings=() place name
    for place in /etc/pip.conf /etc/xdg/pip /etc/ssl/certs; do
        [ ! -e "$place" ] || settings+=("--bind-ro=$place")
    done
    for name in "${!PIP_@}"; do settings+=("--setenv=$name=${!name}"); done
    systemd-nspawn --quiet --directory "$work/root" --machine "$machine" --register=no --keep-unit --console=pipe \
        --bind "$folder/wheels:/srv/wheels" --bind-ro "$PWD/requirements.txt:/srv/requirements.txt" \
        "${settings[@]}" sh -ec '
            python3 -m venv /tmp/pip
            # As they are: what is built here has not the digest that is asked for.
            /tmp/pip/bin/python -m pip download -q -r /srv/requirements.txt -d /srv/wheels
            /tmp/pip/bin/python -m pip download -q setuptools wheel -d /srv/wheels'
    cp requirements.txt "$folder/wheels/"
}

make_machine() { # what changes lies above the base, and is gone afterwards
    work=$(mktemp -d "$folder/machine.XXXXXX")
    mkdir "$work/upper" "$work/work" "$work/root"
    mount -t overlay overlay "$work/root" \
        -o "lowerdir=$folder/base,upperdir=$work/upper,workdir=$work/work"
}

give_packages() { # it has no network of its own, so that no port is in anybody's way
    printf '[global]\nno-index = true\nfind-links = /srv/wheels\n' >"$work/root/etc/pip.conf"
    cp -r "$folder/wheels" "$work/root/srv/"
    chmod -R a+rX "$work/root/srv"
}

boot() {
    systemd-nspawn --quiet --boot --directory "$work/root" --machine "$machine" \
        --private-network --register=no --keep-unit --console=pipe \
        </dev/null >>"$work/console.log" 2>&1 &
    nspawn=$!
    until leader=$(pgrep --parent "$nspawn") && inside systemctl is-system-running --wait; do
        kill -0 "$nspawn" 2>/dev/null || {
            tail -n 5 "$work/console.log" >&2
            leader=
            leave_out "systemd-nspawn can't boot here"
        }
        [ "$(inside systemctl is-system-running 2>/dev/null)" != degraded ] || break
        sleep 0.2
    done >/dev/null 2>&1
}

power_off() {
    inside systemctl --no-block poweroff
    wait "$nspawn" || true
    leader=
}

clean_up() {
    [ -z "$nspawn" ] || kill -KILL $(pgrep --parent "$nspawn") "$nspawn" 2>/dev/null || true
    [ -z "$nspawn" ] || wait "$nspawn" 2>/dev/null || true
    [ -z "$work" ] || { umount "$work/root" && rm -rf "$work"; }
}

inside() { # inside PROGRAM ARGUMENT…: as root of the machine
    nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

# --- What it does there ---------------------------------------------------------------

commands_under() { # the commands that the guide prints under a heading
    awk -v heading="### $1" '
        /^#/ && !code { here = ($0 == heading) }
        /^```/ { code = !code; next }
        here && code' "$guide"
}

as_printed() { # as_printed HEADING
    local commands
    commands=$(commands_under "$1" | sed 's#REPOSITORY_URL#/srv/product.git#')
    [ -n "$commands" ] || fail "$guide prints no command under $1"
    inside bash -exc "$commands" || fail "the commands under $1 do not work as printed"
}

hand_over() { # hand_over VERSION: this working tree, as a commit that it can pull
    local repository="$work/repository"
    [ -d "$repository" ] || git init -q -b main "$repository"
    git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T - | tar -xf - -C "$repository"
    sed -i "s/^VERSION = .*/VERSION = \"$1\"/" "$repository/resource_sync/settings.py"
    git -C "$repository" add -A
    git -C "$repository" -c user.name=try -c user.email=try@localhost commit -qm "$1"
    git -C "$repository" bundle create -q "$work/root/srv/product.git" HEAD main
    chmod a+r "$work/root/srv/product.git"
}

product() { # product PROGRAM ARGUMENT…: as the account of the service
    inside runuser -u resource-sync -- env -C /opt/resource-sync "$@"
}

manage() { product .venv/bin/python manage.py "$@"; }

eventually() { # eventually SECONDS WHAT COMMAND…
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "$what"
        sleep 0.5
    done
}

healthy() { inside curl -fsS --max-time 10 http://127.0.0.1:3000/health; }

all_active() { inside systemctl is-active --quiet resource-sync-web@1 resource-sync-runner; }

is_well() {
    eventually 120 "it does not become healthy" healthy
    all_active || fail "a unit is not active"
}

release() { # release VERSION
    manage submit full-sync --version "$1" --follow >"$work/task.log" ||
        { tail -n 20 "$work/task.log" && fail "full-sync of $1 did not complete"; }
}

status_of_newest() { manage list_tasks --limit 1 --json | sed 's/.*"status": *"\([a-z]*\)".*/\1/'; }

try_stop() { # a task that takes a while to end in order, and says so
    product sh -c "cat task_types.toml - >/var/lib/resource-sync/types.toml" <<'TYPES'

[slow]
title = "Slow to end"
[[slow.steps]]
name = "Wait"
command = ["sh", "-c", "trap 'sleep 2; echo ended in order; exit' TERM; echo begun; while :; do sleep 0.1; done"]
TYPES
    product sh -c "echo TASK_TYPES_FILE=/var/lib/resource-sync/types.toml >>.env"
    inside systemctl restart resource-sync.target
    is_well
    manage submit slow --json >"$work/task.json"
    local task
    task=$(sed 's/.*"id": *"\([^"]*\)".*/\1/' "$work/task.json")
    eventually 30 "the slow task does not begin" has_begun "$task"
    local started=$SECONDS
    inside systemctl stop resource-sync.target
    [ $((SECONDS - started)) -lt 20 ] || fail "the stop took $((SECONDS - started)) s"
    manage follow "$task" >"$work/task.log" || true
    grep -q "ended in order" "$work/task.log" || fail "the stop gave the task no time to end"
    [ "$(status_of_newest)" = cancelled ] || fail "the stopped task is $(status_of_newest)"
    [ -z "$(inside find /proc -maxdepth 1 -name '[0-9]*' -user resource-sync)" ] ||
        fail "the stop left processes"
    for unit in resource-sync-web@1 resource-sync-runner; do
        [ "$(inside systemctl show --value --property Result "$unit")" = success ] ||
            fail "$unit did not end by itself"
    done
    local order
    order=$(inside journalctl --output cat --since "-1min" | grep -o "Stopped.*Resource Sync [wr][a-z]*" | sed 's/.* //' | tail -n 2 | xargs)
    [ "$order" = "runner web" ] || fail "the stop ended $order, and not the runner first"
}

try_backup() { # what comes after the backup is gone afterwards
    as_printed "Back up"
    local before after
    before=$(number_of_tasks)
    release v885
    as_printed "Restore"
    is_well
    after=$(number_of_tasks)
    [ "$after" = "$before" ] || fail "of $before tasks there are $after after the restore"
    ask queue/resume -d "{}" -H "Content-Type: application/json" >/dev/null
}

number_of_tasks() { manage list_tasks --limit 1000 --json | wc -l; }

has_begun() { healthy && ask "tasks/$1/logs" | grep -q begun; }

ask() { inside curl -fsS -H "X-API-Key: $key" "http://127.0.0.1:3000/api/$1" "${@:2}"; }

# --- From the first hour on -----------------------------------------------------------

for_what_is_missing
mkdir -p "$folder"
trap clean_up EXIT
trap 'fail "$BASH_COMMAND"' ERR
make_base
make_machine
fetch_packages
give_packages
hand_over 1.0.0-first

say "Boot"
boot

say "Install, as printed"
as_printed "Install" | tee "$work/install.log"
is_well
grep -q "/sign-in/" "$work/install.log" || fail "the first start showed no way to sign in"
key=$(sed -n 's/^  API key  *\(rs_[^ ]*\).*/\1/p' "$work/install.log")
ask tasks >/dev/null ||
    fail "the API key that was shown opens nothing"
[ "$(inside stat -c '%U %a' /opt/resource-sync/.env /var/lib/resource-sync /var/log/resource-sync | xargs)" = \
    "resource-sync 600 resource-sync 700 resource-sync 700" ] || fail "files are not private"
for unit in resource-sync-web@1 resource-sync-runner; do
    inside systemd-analyze security --no-pager --threshold=50 "$unit" | tail -n 1
done

say "A release"
release v884

say "A backup of SQLite, and back"
try_backup

say "A stop while a task runs"
try_stop

say "An update, as printed"
hand_over 1.0.0-second
inside systemctl start resource-sync-web@1 resource-sync-runner
as_printed "Update"
is_well
healthy | grep -q 1.0.0-second || fail "the update is not what runs"
release v885

say "PostgreSQL, which comes $late_seconds s late to the next boot"
as_printed "PostgreSQL on the same machine"
product sh -c "echo DATABASE_URL=postgres://resource_sync:try@127.0.0.1/resource_sync >>.env"
inside runuser -u postgres -- psql -qc "ALTER ROLE resource_sync PASSWORD 'try'"
product .venv/bin/python -m resource_sync.start prepare
inside systemctl disable --quiet postgresql
power_off
boot
sleep "$late_seconds"
for unit in resource-sync-web@1 resource-sync-runner; do
    state=$(inside systemctl is-active "$unit") || true
    echo "$unit: $state, started again $(inside systemctl show --value --property NRestarts "$unit") times"
    [ "$state" != failed ] || fail "$unit gave up"
done
inside systemctl start postgresql
is_well
release v885

say "A backup of PostgreSQL, and back"
try_backup

say "All is well."
