#!/bin/sh
# The engine's command takes this process's place: it gets the signals, and its exit code is the container's.
exec "$@"
