#!/usr/bin/env bash
# Walks docs/how-to/production.md from nothing to https, docs/how-to/upgrade.md while
# tasks are started, and docs/how-to/backup.md to a second machine, in a bare Debian that
# it boots: by the commands of these pages alone, as they stand there, and says how long
# each block took. What it can't have without a
# network is said here: the names of the site and the database lead to the machine
# itself, caddy's ACME server stands for Let's Encrypt's, and packages lie there already.
# It needs what try.sh needs.
#
#   deploy/systemd/walk.sh
#
# Exit codes: 0 every block works, 1 one does not, 77 this machine can't try it.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
. deploy/systemd/machine.sh

times=() # what each block took

walk() { # walk HEADING: its commands as printed, with the time that they take
    say "$1"
    local began=${EPOCHREALTIME/./} used_before used
    processor_ms >"$work/used"
    used_before=$(cat "$work/used")
    (as_printed "$1") >"$work/block.log" 2>&1 || { cat "$work/block.log" && fail "$1"; }
    cat "$work/block.log"
    local took=$(((${EPOCHREALTIME/./} - began) / 1000))
    processor_ms >"$work/used"
    used=$(($(cat "$work/used") - used_before))
    times+=("$(printf '%6d.%d %6d.%d  %s' $((took / 1000)) $((took % 1000 / 100)) $((used / 1000)) $((used % 1000 / 100)) "$1")")
}

processor_ms() { # of what this script started and that has ended; services are not in it
    times >"$work/times"
    sed -n '2s/[ms]/ /gp' "$work/times" | awk '{ printf "%d", (60 * ($1 + $3) + $2 + $4) * 1000 }'
}

name_the_hosts() { # what a studio's DNS would say
    inside sh -c 'echo "127.0.0.1 localhost sync.example.com db.example.com ca.example.com" >/etc/hosts'
}

start_certificate_authority() { # what Let's Encrypt would do, and everybody trusts
    inside sh -ec '
        apt-get install --yes caddy >/dev/null
        systemctl disable --quiet --now caddy
        cat >/etc/caddy/Caddyfile <<END
{
    auto_https disable_redirects
    admin off
    skip_install_trust
}
https://ca.example.com:14443 {
    tls internal
    acme_server
}
END
        systemctl start caddy
        mkdir -p /root/.config/letsencrypt
        echo "server = https://ca.example.com:14443/acme/local/directory" >/root/.config/letsencrypt/cli.ini'
    local root=/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt
    eventually 30 "caddy makes no certificate" inside test -s "$root"
    inside sh -ec "cp $root /usr/local/share/ca-certificates/try.crt; update-ca-certificates >/dev/null"
}

bring_the_certificate_of_the_database() { # as somebody would with scp
    inside cp /etc/postgresql/15/main/server.crt /etc/ssl/certs/db.example.com.pem
}

issue_a_certificate() { # of the studio's own authority, where the page wants the files
    inside sh -ec '
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sync.example.com \
            -addext subjectAltName=DNS:sync.example.com -keyout privkey.pem -out fullchain.pem 2>/dev/null
        cp fullchain.pem /usr/local/share/ca-certificates/own.crt
        update-ca-certificates >/dev/null'
}

issuer() {
    inside sh -c 'openssl s_client -connect sync.example.com:443 -servername sync.example.com </dev/null 2>/dev/null |
        openssl x509 -noout -issuer'
}

are_encrypted() { # whether there are connections to the database, and all by TLS
    [ "$(inside runuser -u postgres -- psql -Atc "SELECT DISTINCT ssl FROM pg_stat_ssl
        JOIN pg_stat_activity USING (pid) WHERE usename = 'resource_sync'")" = t ]
}

shows_its_own() { issuer | grep -q "CN = sync.example.com"; }

number_of() { inside sh -c "systemctl list-units --state=active --plain --no-legend 'resource-sync-$1*' | wc -l"; }

restart() {
    inside systemctl restart resource-sync.target
    eventually 120 "it does not become healthy" healthy
}

add_short_tasks() { # a type that prints a line ten times a second, for two seconds
    product sh -c "cat task_types.toml - >/var/lib/resource-sync/types.toml" <<'TYPES'

[short]
[[short.steps]]
command = ["sh", "-c", "for i in $(seq 20); do echo line $i; sleep 0.1; done"]
TYPES
    product sh -c "printf '%s\n' TASK_TYPES_FILE=/var/lib/resource-sync/types.toml RATE_LIMIT_CREATE=0 >>.env"
    restart
}

remove_short_tasks() {
    product sed -i '/^TASK_TYPES_FILE=/d; /^RATE_LIMIT_CREATE=/d' .env
    restart
}

start_tasks() { # one after the other, each by a connection of its own, until told
    local key
    key=$(manage create_api_key walk --scope start)
    inside sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_migrate_req
        until [ -e /root/no-more ]; do
            curl -sS --max-time 60 --write-out "%{http_code}\n" --output /root/answer -H "X-API-Key: $0" \
                -H "Content-Type: application/json" --data "{}" https://sync.example.com/api/tasks/short >>/root/answers 2>&1
            sleep 0.2
        done' "$key" &
    starting=$!
    eventually 30 "no task is started" inside grep -q 202 /root/answers
}

stop_starting() {
    inside touch /root/no-more
    wait "$starting"
}

none_was_refused() { # nor did a task end before its time
    local refused started
    refused=$(inside grep -vcx 202 /root/answers || true)
    started=$(inside grep -cx 202 /root/answers)
    [ "$refused" = 0 ] || fail "of $((started + refused)) starts these were refused: $(inside grep -vx 202 /root/answers)"
    eventually 120 "a task does not end" all_completed "$started"
    echo "$started starts, none refused; each task completed"
}

all_completed() { # all_completed NUMBER: of the tasks of that type
    [ "$(manage list_tasks --type short --status completed --limit 1000 --json | wc -l)" = "$1" ]
}

# --- The first machine ----------------------------------------------------------------

make_ready

say "Boot"
start_machine 1.0.0-walk
name_the_hosts

began=$SECONDS
walk "Install"
walk "PostgreSQL"
walk "TLS at the database"
bring_the_certificate_of_the_database
walk "TLS to the database"
are_encrypted || fail "the database is spoken to in clear text"
walk "Redis, and two of each"
[ "$(number_of web)$(number_of runner)" = 22 ] || fail "there are not two of each"
walk "nginx"
start_certificate_authority
walk "A certificate by Let's Encrypt"
walk "TLS"
issuer | grep -q Caddy || fail "the site shows $(issuer)"
walk "The first task"
grep -q "Executing: " "$work/block.log" || fail "no line of the task came"
issue_a_certificate
walk "Or a certificate of your own"
inside systemctl reload nginx
eventually 10 "the site shows another certificate than its own" shows_its_own
walk "Before people come in" # now: the ACME server's certificates last for hours

# --- The next version ------------------------------------------------------------------

add_short_tasks
hand_over 1.0.0-next
start_tasks
guide=docs/how-to/upgrade.md
walk "systemd"
healthy | grep -q 1.0.0-next || fail "the update is not what runs"
stop_starting
none_was_refused
remove_short_tasks

# --- Back up, and move to a second machine ----------------------------------------------

guide=docs/how-to/backup.md
walk "Every night"
inside systemctl start resource-sync-backup.service
walk "On the old machine"
tasks=$(number_of_tasks)
cp "$work/root/root/resource-sync-move.tar" "$folder/move.tar"
whole=$((SECONDS - began))
echo "       s   s of processor"
printf '%s\n' "${times[@]}"
echo "$whole s in all, with what this script does between the blocks"
power_off
unmake_machine

say "A second machine"
start_machine 1.0.0-walk
name_the_hosts
guide=docs/how-to/production.md
walk "Install"
walk "PostgreSQL"
cp "$folder/move.tar" "$work/root/root/resource-sync-move.tar"
rm "$folder/move.tar"
guide=docs/how-to/backup.md
walk "On the new machine"
! grep -q "Stores left" "$work/block.log" || fail "the stores did not come along"
[ "$(number_of_tasks)" = "$tasks" ] || fail "of $tasks tasks there are $(number_of_tasks) on the new machine"

say "All is well."
