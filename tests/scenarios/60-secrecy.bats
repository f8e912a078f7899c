# bats file_tags=serial
# Nothing that was stored, and no key, is found outside the places that may hold it.

load common

setup() {
	fresh_home
	mkdir -p in/canary-folder
	printf 'canary-content, once' >in/canary-folder/canary-small
	yes canary-content | head -c 400000 >in/canary-long
	{ head -c 300000 /dev/urandom; printf canary-content; } >in/canary-noise
	ln -s canary-target in/canary-link
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
}

# Lines of all files below the folders, and of their names, that hold the bytes.
hits() {
	local needle=$1
	shift
	{
		find "$@" -type f -exec cat {} +
		find "$@"
	} | grep -acF -- "$needle" || true
}

@test "drives hold no content, name, path, tag, host, series, passphrase or key" {
	array_of_three
	MRMR_NEW_PASSPHRASE=canary-passphrase "$MRMR" key add
	"$MRMR" put --tag canary-tag --host canary-host --series canary-series in
	echo damage >>"$(find d?/.mrmr/parity -type f | head -n 1)"
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	[ "$(find d?/.mrmr/quarantine -type f | wc -l)" -gt 0 ]
	[ "$(hits canary in)" -gt 3 ]
	[ "$(hits canary d1 d2 d3)" -eq 0 ]
	[ "$(hits "$(basename "$PWD")/in" d1 d2 d3)" -eq 0 ]
	recovery=$(sed -n 's/^recovery key: //p' recovery)
	[ -n "$recovery" ]
	[ "$(hits "$recovery" recovery)" -eq 1 ]
	[ "$(hits "$recovery" d1 d2 d3 state config)" -eq 0 ]
	[ "$(hits canary-passphrase state config)" -eq 0 ]
	[ "$(hits "$(head -n 1 key)" key)" -ge 1 ]
	[ "$(hits "$(head -n 1 key)" d1 d2 d3 state config)" -eq 0 ]
}

@test "what is said with -v and --json holds no passphrase and no contents" {
	array_of_three
	export MRMR_NEW_PASSPHRASE=canary-passphrase
	"$MRMR" -v key add >said 2>&1
	unset MRMR_KEY_FILE MRMR_NEW_PASSPHRASE
	export MRMR_PASSPHRASE=canary-passphrase
	"$MRMR" -v --json put in >>said 2>&1
	"$MRMR" -v scrub >>said 2>&1
	"$MRMR" -v --json status >>said 2>&1
	MRMR_PASSPHRASE=canary-wrong run "$MRMR" -v --json status
	[ "$status" -eq 12 ]
	echo "$output" >>said
	[ -s said ]
	[ "$(hits canary-passphrase said)" -eq 0 ]
	[ "$(hits canary-wrong said)" -eq 0 ]
	[ "$(hits canary-content said)" -eq 0 ]
}

@test "while it runs, mrmr may not dump core" {
	mkdir d1 d2
	cat >ask <<'ASK'
#!/bin/sh
grep '^Max core file size' /proc/$PPID/limits >limits
echo canary-passphrase
ASK
	chmod +x ask
	unset MRMR_PASSPHRASE
	ulimit -S -c "$(ulimit -H -c)"
	MRMR_PASSPHRASE_COMMAND=./ask "$MRMR" init d1 d2
	[[ "$(cat limits)" =~ size\ +0\ +0 ]]
}

@test "sizes within one class of padding give objects of equal sizes" {
	for tree in one two; do
		mkdir -p $tree/in
		export MRMR_CONFIG_DIR=$PWD/$tree/config MRMR_STATE_DIR=$PWD/$tree/state
		export MRMR_KEY_FILE=$PWD/$tree/key
		mkdir $tree/d1 $tree/d2
		"$MRMR" init --key-file "$MRMR_KEY_FILE" $tree/d1 $tree/d2
	done
	head -c 2000100 /dev/urandom >one/in/file
	head -c 2000900 /dev/urandom >two/in/file
	for tree in one two; do
		export MRMR_CONFIG_DIR=$PWD/$tree/config MRMR_STATE_DIR=$PWD/$tree/state
		export MRMR_KEY_FILE=$PWD/$tree/key
		"$MRMR" put $tree/in
		find $tree/d?/.mrmr/blocks -type f -printf '%s\n' | sort >$tree/sizes
	done
	[ -s one/sizes ]
	diff one/sizes two/sizes
}

# ---- while it runs ----

# A put, stopped in the middle of its work; the passphrase comes as the caller says.
stop_a_put() {
	local shim
	preload kill
	LD_PRELOAD=$shim KILL_AT=60 KILL_SIGNAL=19 "$MRMR" put in 9<pass >said 2>&1 3>&- &
	pid=$!
	while ! grep -q '^State:.T' "/proc/$pid/status"; do
		kill -0 "$pid" || { cat said; return 1; }
		sleep 0.05
	done
}

@test "arguments, environment and open files of a running put show no passphrase, however it came" {
	array_of_three
	MRMR_NEW_PASSPHRASE=canary-passphrase "$MRMR" key add
	unset MRMR_KEY_FILE MRMR_PASSPHRASE
	echo canary-passphrase >pass
	for source in MRMR_PASSPHRASE=canary-passphrase MRMR_PASSPHRASE_FILE=pass \
		"MRMR_PASSPHRASE_COMMAND=cat pass" MRMR_PASSPHRASE_FD=9; do
		touch in/canary-folder/*
		export "$source" MRMR_NEW_PASSPHRASE=canary-new
		stop_a_put
		unset "${source%%=*}" MRMR_NEW_PASSPHRASE
		echo "$source"
		tr '\0' '\n' <"/proc/$pid/environ" >environ
		tr '\0' '\n' <"/proc/$pid/cmdline" >cmdline
		grep -q '^HOME=' environ
		[ "$(hits canary environ cmdline said)" -eq 0 ]
		kill -CONT $pid
		wait $pid
		pid=
	done
	[ "$("$BASH" -c 'MRMR_PASSPHRASE=canary-passphrase "$MRMR" snapshots' | wc -l)" -eq 4 ]
}

# bats test_tags=plain
@test "a crash leaves no core, and the state folder no plain text of contents or keys" {
	array_of_three
	echo canary-passphrase >pass
	ulimit -S -c "$(ulimit -H -c)"
	stop_a_put
	kill -SEGV $pid
	kill -CONT $pid
	code=0
	wait $pid || code=$?
	[ "$code" -eq 139 ]
	[ -z "$(find . -name 'core*')" ]
	[ "$(hits canary-content state config)" -eq 0 ]
	"$MRMR" put in
	[ "$(hits canary-content state config)" -eq 0 ]
	[ "$(hits "$(head -n 1 key)" state config)" -eq 0 ]
	for name in config state d1 d2 d3; do
		[ -z "$(find $name -type f -perm /077)" ]
	done
	[ -z "$(find config state -type d -perm /077)" ]
}
