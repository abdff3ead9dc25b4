#!/bin/sh
# Ends what `make start` started, where .venv can't do it any more: its Python was
# replaced or removed. Finds DATA_DIR as the product does: environment, .env, ./data.
# With `status` or `logs` it shows what runs or what it says, instead.
cd "$(dirname "$0")/.." || exit 1
own() { # NAME DEFAULT
    value=$(printenv "$1")
    if [ -z "$value" ] && [ -r .env ]; then
        value=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" .env |
            tail -n 1 | tr -d "\"'")
    fi
    echo "${value:-$2}"
}
if [ "$1" = logs ]; then
    exec tail -n 20 -F "$(own LOG_DIR ./logs)"/*.log
fi
pid=$(cat "$(own DATA_DIR ./data)/run/supervisord.pid" 2>/dev/null)
command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" || ps -o args= -p "$pid" 2>/dev/null)
case $command in
*resource_sync.supervise* | *supervisor.supervisord*) ;;
*)
    echo "Resource Sync is not running."
    [ "$1" = status ] && exit 3
    exit 0
    ;;
esac
if [ "$1" = status ]; then
    echo "Resource Sync is running (process $pid); its .venv is broken."
    exit 0
fi
kill "$pid" || exit 1
while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
echo "Stopped."
