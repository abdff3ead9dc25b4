#!/usr/bin/env bash
# Tries the units where they can do no harm: boots a bare Debian in systemd-nspawn, does
# there what docs/how-to/production.md says, and fails where something is not as it
# should be. As root, with debootstrap and systemd-container; needs the network once, to
# fetch Debian and the packages, and keeps them in TRY_FOLDER (1.5 GB).
#
#   deploy/systemd/try.sh
#
# Exit codes: 0 all is well, 1 something is not, 77 this machine can't try it.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
. deploy/systemd/machine.sh

late_seconds=${TRY_LATE_SECONDS:-60} # how long the database is away
key=                                 # the one that the first start shows

# --- What is tried --------------------------------------------------------------------

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

has_begun() { healthy && ask "tasks/$1/logs" | grep -q begun; }

ask() { inside curl -fsS -H "X-API-Key: $key" "http://127.0.0.1:3000/api/$1" "${@:2}"; }

# --- From the first hour on -----------------------------------------------------------

make_ready

say "Boot"
start_machine 1.0.0-first

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
as_printed "PostgreSQL"
is_well
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
