#!/usr/bin/env bash
# Starts a task and follows it, line by line, to its end, with curl and jq.
#
#   API_KEY=… ./curl.sh [version] [type]
#
# Exit code: 0 completed, 1 failed or cancelled, 2 could not be started or followed.
# A lost connection costs no line: the stream goes on after the last one received.
set -euo pipefail

stop() { echo "$1" >&2; exit 2; }

# A header from a file, so that the key stands in no list of processes.
api() { curl -s -g --connect-timeout 10 -H @<(printf 'X-API-Key: %s\n' "$API_KEY") "$@"; }

# One line per event, "SEQ<tab>TEXT"; log lines and the end have a number.
events() {
  api -N --speed-limit 1 --speed-time 45 ${last:+-H "Last-Event-ID: $last"} "$stream_url" |
    jq -Rr --unbuffered '
      select(startswith("data: ")) | .[6:] | fromjson |
      if .type == "log" then
        "\(.log.seq)\t\(.log.timestamp[11:])  \(.log.level)  \(.log.message)"
      elif .type == "connected" then
        "-\tConnected to \(.task.type) \(.task.id): \(.task.status), \(.task.progress) %"
      elif .type == "update" then
        "-\t\(.task.status), progress \(.task.progress) %" +
        if .task.error then ": \(.task.error)" else "" end
      elif .type == "end" then "\(.status)\tThe task is \(.status)."
      else empty end'
}

(($# <= 2)) && [[ ${1-} != -* ]] || stop "Usage: API_KEY=… $0 [version] [type]"
[[ ${API_KEY-} =~ ^[[:graph:]]+$ ]] || stop "Set API_KEY to a key of the service."
url=${API_URL:-http://127.0.0.1:3000}
type=$(jq -rn --arg type "${2:-check-integrity}" '$type | @uri')
params=$(jq -n --arg version "${1:-v885}" '{$version}')

answer=$(api -w '\n%{http_code}' -H 'Content-Type: application/json' -d "$params" \
  "${url%/}/api/tasks/$type") || stop "Cannot reach $url."
code=${answer##*$'\n'} body=${answer%$'\n'*}
[[ $code == 202 ]] || stop "Not started (HTTP $code): $(jq -r .detail <<<"$body" 2>/dev/null)"
{ read -r id; read -r stream_url; read -r status_url; } \
  < <(jq -r '.taskId, .streamUrl, .statusUrl' <<<"$body")

trap 'echo >&2; echo "No longer watching; task $id goes on." >&2; exit 130' INT
last=
while :; do
  while IFS= read -r event; do
    echo "${event#*$'\t'}"
    case ${event%%$'\t'*} in
      -) ;;
      completed) exit 0 ;;
      failed | cancelled) exit 1 ;;
      *) last=${event%%$'\t'*} ;;
    esac
  done < <(events)
  code=$(api -o /dev/null -w '%{http_code}' "$status_url") || true
  [[ $code != 40[0-4] ]] || stop "The stream of task $id is closed to us (HTTP $code)."
  echo "Connection lost; trying again." >&2
  sleep 2
done
