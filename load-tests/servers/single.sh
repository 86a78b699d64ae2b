# A server that is one process with its data in memory. Read by the scripts beside it, which say in
#   name, what        the script's name, the server's
#   port              where it listens, unless --port says so
#   provision         how it is fetched
#   prepare           what it reads, written into $data
#   command_line      how it is started, as words in the array `words`
#   mark              what its command line holds and no other's
#   is_serving        whether it serves, once its port is open
#   help_provision, help_up    what `help` says

readonly start_seconds=60 stop_seconds=10
. "$here/process.sh"

fail() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }
misused() { printf '%s: %s; see `%s help`\n' "$name" "$*" "$name" >&2; exit 2; }

usage() {
  cat <<TEXT
Usage: $name COMMAND [--data DIR] [--port N]

  provision   $help_provision
  up          start $what, where it does not run, and print its endpoint; $help_up
  down        stop it, if it runs; what it held was in memory and is gone
  status      exit 0 only where it runs

--data DIR  its log and pid file (default: \`data/$name\` beside this script); --port N: $port by default
TEXT
}

runs() { process_of "$data/pid" "$(mark)" >/dev/null; }
endpoint() { echo "http://127.0.0.1:$port"; }

# The port is that of the server that runs, if one does.
open_data() { ! runs || port=$(cat "$data/port"); }

up() {
  open_data
  runs || start
  endpoint
}

start() {
  local waited=0 words=()
  provision
  ! port_is_open "$port" || fail "port $port is taken: choose another with --port"
  mkdir -p "$data"
  echo "$port" >"$data/port"
  prepare
  command_line
  detach "$data/pid" "$data/server.log" "${words[@]}"
  until port_is_open "$port" && is_serving; do
    if ! kill -0 "$(cat "$data/pid")" 2>/dev/null; then
      tail -n 5 "$data/server.log" >&2
      fail "$what ended while starting"
    fi
    [ $waited -lt $((start_seconds * 20)) ] || fail "$what did not serve within $start_seconds s; its log: $data/server.log"
    waited=$((waited + 1))
    sleep 0.05
  done
}

down() {
  local pid
  ! pid=$(process_of "$data/pid" "$(mark)") || kill -TERM "$pid"
  await_process_end "$data/pid" "$(mark)" "$stop_seconds"
  rm -rf "$data"
}

status() {
  open_data
  if runs; then echo "$(endpoint)  up, pid $(cat "$data/pid")"; else echo "down"; return 1; fi
}

main() {
  local command=${1:-help}
  [ $# -eq 0 ] || shift
  data="$here/data/$name"
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || misused "$1 is unknown, or needs a value"
    case $1 in
      --data) mkdir -p "$(dirname "$2")" && data=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") ;;
      --port) case $2 in '' | *[!0-9]*) misused "--port takes a number, not \"$2\"" ;; esac; port=$2 ;;
      *) misused "unknown option $1" ;;
    esac
    shift 2
  done
  case $command in
    help | -h | --help) usage ;;
    provision | up | down | status) "$command" ;;
    *) misused "unknown command \"$command\"" ;;
  esac
}
