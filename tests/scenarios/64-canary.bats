# bats file_tags=serial
# The secret of a drive is given in every way there is, and is to be found nowhere afterwards: not in
# arguments or environments, not in anything that is said, kept or sent, not in a core.

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export SERVER=$BATS_FILE_TMPDIR/apache
	start_server apache "$SERVER"
}

teardown_file() {
	"$servers/apache.sh" stop "$SERVER"
}

setup() {
	fresh_home
	needs_server
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	canary=$(cat "$SERVER/password")
	# As it is, as a log-in carries it, and in hex.
	base64=$(printf 'alice:%s' "$canary" | base64)
	hex=$(printf '%s' "$canary" | od -An -tx1 | tr -d ' \n')
	mkdir d1 in said
	head -c 400000 /dev/urandom >in/noise
	(umask 077 && echo "$canary" >given)
	# What asks for the secret sees who started it.
	cat >ask <<-END
	#!/bin/sh
	tr '\\0' '\\n' </proc/\$PPID/environ >$PWD/said/parent
	tr '\\0' '\\n' </proc/\$PPID/cmdline >>$PWD/said/parent
	env >$PWD/said/child
	exec cat $PWD/given
	END
	chmod +x ask
	web=webdavs://alice@localhost:$PORT/dav/t$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
}

# Fails if the secret is in any of these files or folders.
nowhere() {
	run grep -rlaiF -e "$canary" -e "$base64" -e "$hex" "$@"
	echo "$output"
	[ "$status" -eq 1 ]
}

# descendants PID: it, and all below it.
descendants() {
	local child
	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		descendants "$child"
	done
}

# Slowly stores noise, and looks into the process while what it sends is on its way.
put_watched() {
	local tries=0 id
	"$MRMR" put -vv --limit-upload 200K "$@" in >said/put 2>&1 &
	pid=$!
	# Opened, and busy: some bytes of an object are there.
	until [ "$(find "$(cat "$SERVER/home")/data/dav" -newer ask -size +40k | wc -l)" -gt 0 ]; do
		kill -0 "$pid"
		[ $((tries += 1)) -lt 3000 ]
		sleep 0.02
	done
	kill -STOP "$pid"
	for id in $(descendants "$pid"); do
		tr '\0' '\n' <"/proc/$id/environ" >>said/environ
		tr '\0' '\n' <"/proc/$id/cmdline" >>said/cmdline
	done
	cat "/proc/$pid/limits" >said/limits
	kill -CONT "$pid"
	wait "$pid"
	pid=
	grep -q '^HOME=' said/environ
	grep -qx put said/cmdline
	grep -q '^Max core file size  *0  *0 ' said/limits
}

# All that was said, kept and sent.
look_everywhere() {
	"$MRMR" --json put in >said/put.json 2>&1
	"$MRMR" status -v >said/status 2>&1
	"$MRMR" drives -v >said/drives 2>&1
	"$MRMR" --json drives >said/drives.json 2>&1
	nowhere said config state d1/.mrmr "$(cat "$SERVER/home")/data" "$SERVER/log"
}

array() { # -o...
	"$MRMR" init --key-file key --block-size 64K --mkdir -vv d1 "web=$web" \
		-o "ca=$SERVER/ca.pem" "$@" >said/init 2>&1
}

option_of_web() {
	jq -c '.drives[] | select(.name == "web") | .options.password' config/default.json
}

@test "given by a variable" {
	export DAV_SECRET=$canary
	array -o password=env:DAV_SECRET
	[ "$(option_of_web)" = '"env:DAV_SECRET"' ]
	put_watched
	look_everywhere
}

@test "given by a file" {
	array -o "password=file:given"
	[ "$(option_of_web)" = "\"file:$PWD/given\"" ]
	put_watched
	look_everywhere
}

@test "given by a command, which finds it neither in its environment nor in mrmr's" {
	array -o "password=command:$PWD/ask 'two words'"
	grep -q '^HOME=' said/parent
	grep -q '^HOME=' said/child
	put_watched
	look_everywhere
}

@test "given in the config as objects" {
	array -o password=file:given
	for object in '{"env":"DAV_SECRET"}' "{\"file\":\"$PWD/given\"}" "{\"command\":[\"$PWD/ask\",\"a b\"]}"; do
		jq "(.drives[] | select(.name == \"web\") | .options.password) |= $object" \
			config/default.json >changed
		cp changed config/default.json
		echo "$object" >>in/objects
		# mrmr cannot know that a variable is one of which nothing speaks.
		unset DAV_SECRET
		[[ "$object" != *env* ]] || export DAV_SECRET=$canary
		"$MRMR" -vv put in >>said/puts 2>&1
		[ "$(option_of_web)" = "$object" ]
	done
	look_everywhere
}

@test "what providers call their secrets is wiped from the start, and no child gets it" {
	array -o "password=command:$PWD/ask x"
	for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN OS_PASSWORD \
		OS_APPLICATION_CREDENTIAL_SECRET OS_TOKEN OS_AUTH_TOKEN ST_KEY RCLONE_CONFIG_PASS; do
		export $name=$canary-$name
	done
	rm said/parent said/child
	put_watched
	grep -q '^HOME=' said/parent
	grep -q '^HOME=' said/child
	look_everywhere
}

@test "a wrong one is refused without being named" {
	array -o password=file:given
	echo "$canary-no-more" >given
	"$MRMR" -vv put in >said/denied 2>&1 || true
	grep -q 'drive web' said/denied
	echo "$canary" >given
	chmod 644 given
	"$MRMR" -vv put in >>said/denied 2>&1 || true
	grep -q 'its mode is 0644: refused until chmod 600' said/denied
	chmod 600 given
	look_everywhere
}

@test "asked for a core, a process that knows it leaves none" {
	array -o password=file:given
	(
		ulimit -c unlimited
		exec "$MRMR" put --limit-upload 100K in >said/put 2>&1
	) &
	pid=$!
	tries=0
	until [ "$(find "$(cat "$SERVER/home")/data/dav" -newer ask -size +40k | wc -l)" -gt 0 ]; do
		kill -0 "$pid"
		[ $((tries += 1)) -lt 3000 ]
		sleep 0.02
	done
	kill -ABRT "$pid"
	wait "$pid" || [ $? -eq 134 ]
	pid=
	[ -z "$(find . -name 'core*')" ]
	nowhere . --exclude=given
}
