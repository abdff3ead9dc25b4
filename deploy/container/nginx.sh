#!/bin/sh
# nginx in front of the web processes of compose.yaml. Takes nginx 1.27.3 or newer, whose
# upstreams follow names (resolve).
#   nginx.sh adapt          while the image is built: makes deploy/nginx's site one for it
#   nginx.sh                starts it; WEB (web:3000) is where the web processes are
#   nginx.sh only ADDRESS…  has it send all that is new to these web processes
#   nginx.sh all            and to all there are again
set -eu
site=${SITE:-/etc/nginx/site.conf}

change() { # change PATTERN REPLACEMENT: every line of the site that has it
    grep -q "$1" "$site" || {
        echo "deploy/nginx/resource-sync.conf has no line like: $1" >&2
        exit 1
    }
    sed -i "s#$1#$2#" "$site"
}

adapt() {
    change '^    server 127\.0\.0\.1:3000;' '    zone resource_sync 64k;\n    include /tmp/web.conf;'
    change '^    listen 80;' '    listen 8080;'
    change '^    server_name .*;' '    server_name _;'
    change '/var/log/nginx/resource-sync.access.log' '/dev/stdout'
    change '/var/log/nginx/resource-sync.error.log' '/dev/stderr'
}

web=${WEB:-web:3000}
only() { for address in "$@"; do echo "server $address:${web##*:};"; done >/tmp/web.conf; }
all() { echo "server $web resolve;" >/tmp/web.conf; }

case "${1-}" in
adapt) adapt && exit ;;
only | all) "$@" && exec nginx -s reload ;;
esac

# The first is the engine's own, which knows the containers; nginx would take turns.
server=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' /etc/resolv.conf)
[ -n "$server" ] || {
    echo "/etc/resolv.conf names no name server, by which the web processes are found." >&2
    exit 1
}
echo "resolver $server valid=5s;" >/tmp/resolver.conf
all
exec nginx -g "daemon off;"
