# Trees for scenarios of put and get, and comparisons by other people's tools. After common.bash.

# Nothing that rsync sees differs: contents, owners, modes, times, hard links, attributes, ACLs.
# More arguments are for rsync (--exclude NAME).
assert_same() { # tree copy
	run rsync -aAXHcn --delete --itemize-changes "${@:3}" "$1/" "$2/"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	[ $# -eq 2 ] || return 0
	# Nor what it does not see: times of folders and links to the nanosecond.
	moments "$1" >"$BATS_TEST_TMPDIR/moments"
	moments "$2" | diff "$BATS_TEST_TMPDIR/moments" -
}

moments() {
	(cd "$1" && find . ! -type s -printf '%p %y %T@ %l\n' | LC_ALL=C sort)
}

# Blocks of 512 bytes that a file takes.
blocks_of() {
	stat -c %b "$1"
}

# Bytes of the objects of one kind (blocks, parity, journal) on each drive.
sizes_of() {
	local drive
	for drive in d1 d2 d3; do
		find "$drive/.mrmr/$1" -type f -printf '%s\n' 2>/dev/null |
			awk '{ n += $1 } END { printf "%d ", n }'
	done
}

# Runs a command as a normal user, who may get to the current folder and owns what is named. The
# scenario's own user will do if that is a normal one.
as_user() { # command...
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	fi
}

for_user() { # path...
	local folder=$PWD
	[ "$(id -u)" -eq 0 ] || return 0
	chown -R 65534:65534 "$@"
	while [ "$folder" != / ]; do
		[ -O "$folder" ] && [ ! -k "$folder" ] && chmod a+x "$folder"
		folder=$(dirname "$folder")
	done
	as_user test -x "$MRMR" || skip "a normal user may not run $MRMR"
}

# Starts a put that stops at the first read of a file, when all names next to it were looked at.
# What it says goes to the files said and errors.
put_stopped_at() { # file path...
	local tries
	: >trace
	env strace -f -q -o trace -P "$PWD/$1" -e trace=pread64 \
		-e inject=pread64:signal=STOP:when=1 "$MRMR" put "${@:2}" >said 2>errors &
	tracer=$! # strace itself: no function stands between
	for ((tries = 0; tries < 3000; tries++)); do
		grep -q 'stopped by SIGSTOP' trace && break
		sleep 0.02
	done
	stopped=$(<"/proc/$tracer/task/$tracer/children")
}

# Lets it go on; $code is its exit code.
put_goes_on() {
	kill -CONT $stopped
	code=0
	wait "$tracer" || code=$?
	cat said errors
}
