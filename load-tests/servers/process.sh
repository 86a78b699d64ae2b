# Processes that outlive the script that starts them. Read by the scripts beside it.

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Starts a command, its output into the file $2 and its number into the file $1.
detach() {
  local pid_file=$1 log=$2
  shift 2
  : >"$log"
  # A process group of its own: Ctrl-C in the terminal that started it is not meant for it.
  set -m
  nohup "$@" </dev/null >"$log" 2>&1 &
  set +m
  echo $! >"$pid_file"
  disown
}

# The process of the file $1, if it runs with $2 in its command line. The file alone does not say so: numbers are used
# again, and a dead process whose parent never asks for it keeps its number (with an empty command line).
process_of() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o args= -p "$pid"; } 2>/dev/null | grep -qF -- "$2" && echo "$pid"
}

# Waits until that process has ended, and ends it after $3 seconds.
await_process_end() {
  local waited=0 pid
  while pid=$(process_of "$1" "$2"); do
    [ $waited -lt $(($3 * 20)) ] || kill -KILL "$pid" 2>/dev/null || true
    waited=$((waited + 1))
    sleep 0.05
  done
  rm -f "$1"
}
