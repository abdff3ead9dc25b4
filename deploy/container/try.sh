#!/usr/bin/env bash
# Tries the images where they can do no harm: builds both, runs the services of
# compose.yaml from them with podman, and fails where something is not as it should be.
# As root. Needs the network once: where no registry answers, it makes stand-ins for the
# official images from Debian's packages, and keeps them with Python's in TRY_FOLDER.
#
#   deploy/container/try.sh
#
# Exit codes: 0 all is well, 1 something is not, 77 this machine can't try it.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

folder=${TRY_FOLDER:-/var/tmp/resource-sync-try}/container
port=${TRY_PORT:-3249}
project=rs-try-$$
python_image=docker.io/library/python:3.13-slim-trixie
nginx_image=docker.io/nginxinc/nginx-unprivileged:1.28-alpine
postgres_image=docker.io/library/postgres:17-bookworm
redis_image=docker.io/library/redis:8-bookworm
image=localhost/resource-sync-try:latest
key=rs_try-only-0123456789-abcdefghijklmnopqrstuv
watching=

say() { printf '\n=== %3d s: %s\n' "$SECONDS" "$*"; }
leave_out() {
    echo "Not tried: $*" >&2
    exit 77
}
fail() {
    trap - ERR
    printf '\nFAILED: %s\n' "$*" >&2
    for service in prepare_1 web_1 web_2 runner_1 nginx_1; do
        echo "--- $service" >&2
        podman logs --tail 15 "${project}_$service" >&2 2>&1 || true
    done
    exit 1
}

# --- The engine -----------------------------------------------------------------------

for_what_is_missing() {
    [ "$(id -u)" = 0 ] || leave_out "only root runs the containers of this trial"
    for program in podman python3 curl; do
        command -v "$program" >/dev/null || leave_out "there is no $program"
    done
    mkdir -p "$folder"
    # For a machine that has neither the right to raise limits nor one kind of cgroups.
    if [ ! "${CONTAINERS_CONF-}" ] && command -v runc >/dev/null; then
        printf '%s\n' '[containers]' 'default_ulimits = ["nofile=10000:10000", "nproc=30000:30000"]' \
            '[engine]' 'runtime = "runc"' >"$folder/containers.conf"
        export CONTAINERS_CONF="$folder/containers.conf"
    fi
    [ -x "$folder/compose/bin/podman-compose" ] || {
        python3 -m venv "$folder/compose"
        "$folder/compose/bin/python" -m pip install -q podman-compose==1.6.0
    }
}

there_is() { podman image exists "$1"; }

stand_in() { # stand_in NAME SUITE PACKAGES: a Debian with these, where no registry answers
    there_is "localhost/stand-in/$1" && return
    command -v mmdebstrap >/dev/null || leave_out "no registry answers, and there is no mmdebstrap"
    say "Making a stand-in from Debian $2: $3"
    mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$3" "$2" "$folder/root.tar" ||
        leave_out "no registry answers, and Debian's mirror neither"
    podman import -q "$folder/root.tar" "localhost/stand-in/$1"
    rm "$folder/root.tar"
}

get_images() { # what the images are made FROM, and what stands beside them
    timeout 60 podman pull -q "$python_image" "$nginx_image" "$postgres_image" "$redis_image" 2>/dev/null && return
    stand_in python trixie python3,python3-venv,ca-certificates,tzdata
    # Its nginx follows names, which 1.26 does not.
    stand_in services forky postgresql,redis-server,nginx-light
    python_image=localhost/stand-in/python
    nginx_image=localhost/stand-in/services redis_image=localhost/stand-in/services
    postgres_image=localhost/stand-in/postgres
    there_is "$postgres_image" || podman build -q --format docker -t "$postgres_image" - <<'FILE'
FROM localhost/stand-in/services
RUN ln -s /usr/lib/postgresql/*/bin/pg_isready /usr/local/bin/ || true
RUN printf '%s\n' 'set -eu; export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH PGDATA=/var/lib/postgresql/data' \
    'install -d -m 700 -o postgres -g postgres $PGDATA /run/postgresql' \
    'as() { setpriv --reuid postgres --regid postgres --init-groups -- "$@"; }' \
    'if [ ! -e $PGDATA/PG_VERSION ]; then echo $POSTGRES_PASSWORD >/tmp/password; chmod a+r /tmp/password' \
    'as initdb -U $POSTGRES_USER --pwfile /tmp/password -A scram-sha-256 --locale C.UTF-8' \
    'echo host all all all scram-sha-256 >>$PGDATA/pg_hba.conf' \
    'as pg_ctl -w -o "-c listen_addresses=" start' \
    'PGPASSWORD=$POSTGRES_PASSWORD createdb -h /run/postgresql -U $POSTGRES_USER $POSTGRES_DB; as pg_ctl -w stop; fi' \
    'exec setpriv --reuid postgres --regid postgres --init-groups -- postgres -c "listen_addresses=*"' >/start.sh
STOPSIGNAL SIGINT
CMD ["sh", "/start.sh"]
FILE
}

fetch_packages() { # with this machine's settings for pip, which the build does not get
    cmp -s requirements.txt "$folder/wheels/requirements.txt" && return
    say "Fetching the Python packages"
    rm -rf "$folder/wheels" && mkdir "$folder/wheels"
    local settings=() place name
    for place in /etc/pip.conf /etc/xdg/pip /etc/ssl/certs /usr/local/share/ca-certificates; do
        [ ! -e "$place" ] || settings+=("--volume=$place:$place:ro")
    done
    for name in "${!PIP_@}"; do settings+=("--env=$name"); done
    podman run --rm --network host "${settings[@]}" --volume "$folder/wheels:/srv/wheels" \
        --volume "$PWD/requirements.txt:/srv/requirements.txt:ro" "$python_image" sh -ec '
            python3 -m venv /tmp/pip
            # As they are: what is built here has not the digest that is asked for.
            /tmp/pip/bin/python -m pip download -q -r /srv/requirements.txt -d /srv/wheels
            /tmp/pip/bin/python -m pip download -q setuptools wheel -d /srv/wheels'
    cp requirements.txt "$folder/wheels/"
}

build() { # build TARGET TAG
    podman build -q --format docker --network host -f deploy/container/Dockerfile --target "$1" -t "$2" \
        --build-arg "PYTHON_IMAGE=$python_image" --build-arg "NGINX_IMAGE=$nginx_image" \
        --volume "$folder/wheels:/srv/wheels:ro" --volume "$folder/pip.conf:/etc/pip.conf:ro" . \
        >"$folder/build.log" 2>&1 || { tail -n 30 "$folder/build.log" >&2 && fail "the image $1 can't be built"; }
}

# --- compose.yaml ---------------------------------------------------------------------

write_compose() { # as it is, but for the conditions of a start, which old podman has not
    "$folder/compose/bin/python" - "$folder" <<'PYTHON'
import sys
import yaml

with open("deploy/container/compose.yaml") as file:
    found = yaml.safe_load(file)
for service in found["services"].values():
    service.pop("depends_on", None)
    service.pop("build", None)
with open(f"{sys.argv[1]}/compose.yaml", "w") as file:
    yaml.safe_dump(found, file)
PYTHON
    cat >"$folder/.env" <<END
SECRET_KEY=try-only-0123456789-abcdefghijklmnopqrstuvwxyz
POSTGRES_PASSWORD=try0nly
API_KEY=$key
ADMIN_PASSWORD=try-only-password
PUBLISH=127.0.0.1:$port
SUBNET=172.30.231.0/24
IMAGE=$image
NGINX_IMAGE=${image%:*}-nginx:latest
POSTGRES_IMAGE=$postgres_image
REDIS_IMAGE=$redis_image
TASK_TYPES_FILE=./task_types.toml,/var/lib/resource-sync/slow.toml
RUNNER_DRAIN=0
RUNNER_STOP=60s
END
}

compose() {
    "$folder/compose/bin/podman-compose" -p "$project" --env-file "$folder/.env" -f "$folder/compose.yaml" "$@" \
        >"$folder/compose.log" 2>&1 || { tail -n 20 "$folder/compose.log" >&2 && fail "podman-compose $*"; }
}

watch_health() { # systemd does, where it runs
    while sleep 1; do
        for name in $(podman ps -q --filter "label=io.podman.compose.project=$project"); do
            podman healthcheck run "$name" || true
        done
    done >/dev/null 2>&1
}

clean_up() {
    [ -z "$watching" ] || kill "$watching" 2>/dev/null || true
    podman ps -aq --filter "label=io.podman.compose.project=$project" | xargs -r podman rm -f -t 1 >/dev/null 2>&1 || true
    podman volume rm -f "${project}_data" "${project}_postgres" >/dev/null 2>&1 || true
    podman network rm -f "${project}_inner" >/dev/null 2>&1 || true
}

eventually() { # eventually SECONDS WHAT COMMAND…
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "$what"
        sleep 0.5
    done
}

container() { podman exec "${project}_$1" "${@:2}"; }
is_healthy() { [ "$(podman inspect --format '{{.State.Healthcheck.Status}}' "${project}_$1")" = healthy ]; }
healthy() { curl -fsS --max-time 10 "http://127.0.0.1:$port/health"; }
ask() { curl -fsS --max-time 120 -H "X-API-Key: $key" -H "Content-Type: application/json" "http://127.0.0.1:$port/api/$1" "${@:2}"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
status_of() { ask "tasks/$1" | field status; }
is_over() { [ "$(status_of "$1")" = "$2" ]; }
has_begun() { ask "tasks/$1/logs" | grep -q "hidden"; }
processes_of() { container runner_1 sh -c 'cat /proc/[0-9]*/cmdline | tr "\0" " "'; }
start_slow() {
    ask tasks/slow -d '{}' >"$folder/task.json"
    task=$(field taskId <"$folder/task.json")
    eventually 240 "the slow task does not begin" has_begun "$task"
}

follow_on() { # as a client does: until nginx has their new addresses it says "retry:"
    curl -sSN --max-time 300 -H "X-API-Key: $key" -H "Last-Event-ID: $last" "http://127.0.0.1:$port/api/tasks/$task/stream" >"$folder/second" &
    stream=$!
    until grep -q connected "$folder/second"; do
        kill -0 "$stream" || return 1
        sleep 0.1
    done
}

# --- From the first image on ----------------------------------------------------------

for_what_is_missing
trap clean_up EXIT
trap 'fail "$BASH_COMMAND"' ERR
podman network exists podman >/dev/null 2>&1 || leave_out "podman has no network"
get_images
podman run --rm "$python_image" true >/dev/null 2>&1 || leave_out "podman can't run a container here"
fetch_packages
printf '[global]\nno-index = true\nfind-links = /srv/wheels\n' >"$folder/pip.conf"

say "Building"
build service "$image"
build nginx "${image%:*}-nginx:latest"
podman images --format '{{.Repository}} {{.Size}}' | grep resource-sync-try

say "What stops a start, in one line"
refused=$(podman run --rm --read-only --tmpfs /tmp "$image" 2>&1 | grep -v level=) || true
[ "$(wc -l <<<"$refused")" = 1 ] && grep -q "^SECRET_KEY: it is missing" <<<"$refused" || fail "without SECRET_KEY it says: $refused"

say "PostgreSQL, Redis, prepare"
write_compose
watch_health &
watching=$!
compose up -d --no-build postgres redis
eventually 240 "PostgreSQL does not come" is_healthy postgres_1
podman run --rm -i -v "${project}_data:/var/lib/resource-sync" "$image" sh -c 'cat >/var/lib/resource-sync/slow.toml' <<'TYPES' 2>/dev/null
[slow]
title = "Slow to end"
stop_grace = "20s"
[[slow.steps]]
name = "Wait"
command = ["sh", "-c", "trap 'echo ended in order; exit' TERM; setsid sh -c 'echo hidden; exec sleep 9999' & sh -c 'trap \"\" TERM; while :; do sleep 8888; done' & while :; do sleep 0.1; done"]
TYPES
compose run -T --rm prepare
grep -q "^Prepared" "$folder/compose.log" || fail "prepare does not say so"
! grep -qE "$key|try-only-password|/sign-in/" "$folder/compose.log" || fail "prepare shows a secret to whoever collects logs"

say "Two web processes, a runner, nginx"
began=$(date +%s%N)
compose up -d --no-build --scale web=2 web runner nginx
eventually 240 "it does not become healthy" healthy
echo "healthy after $((($(date +%s%N) - began) / 1000000)) ms"
for name in web_1 web_2; do eventually 240 "$name's health check fails" is_healthy "$name"; done
for name in web_1 runner_1; do
    podman logs "${project}_$name" 2>/dev/null | python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert lines and {"time", "level", "logger", "message"} <= set(lines[0])' || fail "$name does not log JSON lines"
done
[ "$(container web_1 id -u)" = 10001 ] || fail "it is not its own account"
container runner_1 sh -c 'touch /opt/resource-sync/x || touch /usr/x' 2>/dev/null && fail "the root file system can be written"
container web_1 python manage.py sign_in_link | grep -q /sign-in/ || fail "no link to sign in"
curl -fsS "http://127.0.0.1:$port/admin/login/" | grep -o '/static/[^"]*\.css' | head -n 1 >"$folder/sheet"
curl -fsS "http://127.0.0.1:$port$(cat "$folder/sheet")" >/dev/null || fail "the pages have no style sheets"

say "A release, through nginx"
[ "$(ask tasks/full-sync -H 'Prefer: wait=110' -d '{"version": "v885"}' | field status)" = completed ] || fail "full-sync did not complete"

! podman logs "${project}_web_1" 2>&1 | grep "Redis does not answer" || fail "requests are not counted"

say "A cancel ends the whole tree, and leaves no zombie"
start_slow
ask "tasks/$task/cancel" -X POST >/dev/null
eventually 240 "the task is not cancelled" is_over "$task" cancelled
ask "tasks/$task/logs" | grep -q "ended in order" || fail "the cancel gave the task no time to end"
! processes_of | grep -E "sleep (9999|8888)" || fail "the cancel left processes"
! container runner_1 sh -c 'cat /proc/[0-9]*/stat' | grep ') Z ' || fail "the cancel left zombies"

say "A stream through restarts of both web processes"
start_slow
curl -sSN --max-time 300 -H "X-API-Key: $key" "http://127.0.0.1:$port/api/tasks/$task/stream" >"$folder/first" &
eventually 240 "the stream does not begin" grep -q hidden "$folder/first"
for name in web_1 web_2; do
    podman restart -t 15 "${project}_$name" >/dev/null 2>&1
    eventually 240 "$name does not come back" is_healthy "$name"
done
wait $! || true
last=$(sed -n 's/^id: //p' "$folder/first" | tail -n 1)
eventually 60 "the stream does not come back" follow_on

say "A stop of the runner cancels in order, while the stream is watched"
began=$SECONDS
podman stop -t 60 "${project}_runner_1" >/dev/null 2>&1
[ $((SECONDS - began)) -lt 50 ] || fail "the stop took $((SECONDS - began)) s"
[ "$(podman inspect --format '{{.State.ExitCode}}' "${project}_runner_1")" = 0 ] || fail "the runner was killed"
wait "$stream" || true
grep -q '"type":"end","status":"cancelled"' "$folder/second" || fail "the stream does not tell the end"
lines=$(cat "$folder/first" "$folder/second" | sed -n 's/^id: //p' | grep -c .)
numbers=$(cat "$folder/first" "$folder/second" | sed -n 's/^id: //p' | sort -un | wc -l)
[ "$lines" = "$numbers" ] || fail "of $lines events $numbers have a number of their own"

say "A runner that is killed takes its tasks' processes along"
podman start "${project}_runner_1" >/dev/null 2>&1
eventually 240 "the runner does not come back" healthy
start_slow
podman kill --signal KILL "${project}_runner_1" >/dev/null 2>&1
eventually 60 "the kill left processes" sh -c '! pgrep -f "sleep (9999|8888)"'
# It stays away; for its patience others would wait for 334 s.
began=$SECONDS
eventually 120 "its task runs on without it" is_over "$task" failed
echo "Its task had failed $((SECONDS - began)) s later."
podman start "${project}_runner_1" >/dev/null 2>&1
eventually 240 "no runner serves the queue" healthy

say "All is well."
