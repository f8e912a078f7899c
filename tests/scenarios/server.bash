# A server of tests/servers for the tests of a file.

servers=$BATS_TEST_DIRNAME/../servers

# In setup_file: start_server SERVER FOLDER. Sets PORT, the first of 50 that are its own, and MISSING, what
# is not installed for it: a failure in CI, elsewhere needs_server skips each test.
start_server() {
	local rc=0
	. "$servers/lib.sh"
	PORT=$(claim_ports)
	export PORT MISSING=
	mkdir -p "$2"
	"$servers/$1.sh" start "$2" "$PORT" >"$BATS_FILE_TMPDIR/said" 2>&1 || rc=$?
	if [ $rc -eq 77 ] && [ "${CI:-}" != 1 ]; then
		MISSING=$(cat "$BATS_FILE_TMPDIR/said")
	elif [ $rc -ne 0 ]; then
		cat "$BATS_FILE_TMPDIR/said"
		return 1
	fi
}

# In setup.
needs_server() {
	[ -z "$MISSING" ] || skip "$MISSING"
}

# while_stopped PID COMMAND...: in the middle of whatever the process does, however long the command takes.
while_stopped() {
	kill -STOP "$1"
	"${@:2}"
	kill -CONT "$1"
}

# In setup: the log-in of radosgw.sh, whose folder is AT, for the environment.
s3_login() {
	unset "${!AWS_@}"
	export AWS_ACCESS_KEY_ID=AKTEST AWS_SECRET_ACCESS_KEY
	AWS_SECRET_ACCESS_KEY=$(cat "$AT/secret_key")
}
