#!/bin/sh
# Runs the engine's command. The kernel spares a container's first process every signal that it does not handle: a worker
# would outlive its job. So this process stays the first, and hands signals on; the exit code is the command's.
[ $$ -eq 1 ] || exec "$@"

exec 3<&0 # or the shell would give a command in the background no input
"$@" <&3 3<&- &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do # a signal has ended the wait, and not yet the command
  wait "$child"
  status=$?
done
exit "$status"
