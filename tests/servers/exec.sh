#!/usr/bin/env bash
# A folder of this host through a program: tests/servers/exec_folder.py. Nothing has to be started.
# Needs: python3.
set -u
. "$(dirname "$0")/lib.sh"

start() {
	need python3 python3
	place KIND exec
	place URL "exec:$(cd "$(dirname "$0")" && pwd)/exec_folder.py $DIR/data/{}"
}

server "$@"
