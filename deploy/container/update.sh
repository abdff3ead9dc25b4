#!/bin/sh
# Replaces the containers of compose.yaml by those of the images that were built or
# pulled last, so that somebody always answers: migrates, starts new runners and then new
# web processes beside the old ones, and stops these once those serve. What an old runner
# runs comes to its end first, for RUNNER_DRAIN at most.
#
#   docker compose build && ./update.sh
#
# Exit codes: 0 all are replaced; 1 new ones do not serve, so the old ones go on.
set -eu
cd "$(dirname "$0")"
patience=${PATIENCE:-120} # seconds for new ones to serve

up() { docker compose up --detach --no-build "$@"; }

are_healthy() { # are_healthy CONTAINER…
    ! docker inspect --format '{{.State.Health.Status}}' "$@" | grep -qvx healthy
}

are_registered() { # are_registered CONTAINER…: a runner's name begins with its host's
    hosts=$(docker inspect --format '{{.Config.Hostname}}' "$@")
    alive=$(docker compose exec -T web python manage.py shell -v0 -c \
        'from tasks.models import Runner; print(*Runner.objects.alive(), sep="\n")')
    for host in $hosts; do
        echo "$alive" | grep -q "^$host" || return 1
    done
}

start_more() { # start_more SERVICE CHECK: as many again as there are, until these serve
    old=$(docker compose ps --all --quiet "$1")
    count=$(docker compose ps --quiet "$1" | wc -w)
    [ "$count" -gt 0 ] || {
        echo "No container of $1 runs, so there is nothing to update: docker compose up -d" >&2
        exit 1
    }
    up --no-recreate --scale "$1=$((2 * count))" "$1"
    new=$(docker compose ps --all --quiet "$1" | grep -vF "$old")
    until=$(($(date +%s) + patience))
    until "$2" $new; do
        [ "$(date +%s)" -ge $until ] || { sleep 1 && continue; }
        for id in $new; do docker logs --tail 20 "$id"; done
        docker rm --force $new
        echo "New containers of $1 do not serve: their logs are above. The old ones go on." >&2
        exit 1
    done
}

stop_old() {
    docker stop $old
    docker rm $old
}

send_to() { # send_to only ADDRESS… | all: what nginx does with requests from now on
    docker compose exec -T nginx sh /etc/nginx/nginx.sh "$@"
    sleep 1 # it has new workers by then
}

up prepare
prepare=$(docker compose ps --all --quiet prepare)
[ "$(docker wait "$prepare")" = 0 ] || { docker logs "$prepare" && exit 1; }

start_more runner are_registered
stop_old

start_more web are_healthy
# nginx asks for names each 5 seconds, so it would go on to addresses that are gone.
trap 'send_to all' EXIT
send_to only $(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $new)
stop_old
trap - EXIT
send_to all

up --scale "web=$count" nginx
