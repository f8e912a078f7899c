# A folder, a WebDAV server over TLS and a remote of rclone as one array; what fails on the way.

bats_require_minimum_version 1.5.0
load common
load server

setup_file() {
	export SERVER=$BATS_FILE_TMPDIR/apache
	start_server apache "$SERVER"
	command -v rclone >/dev/null || MISSING="rclone is missing"
	[ -z "$MISSING" ] || [ "${CI:-}" != 1 ]
}

teardown_file() {
	"$servers/apache.sh" stop "$SERVER"
}

setup() {
	fresh_home
	needs_server
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	export RCLONE_CONFIG=$PWD/rclone.conf
	printf '[box]\ntype = alias\nremote = %s/box\n' "$PWD" >rclone.conf
	mkdir d1 box box/x in
	# Places of this test alone.
	at=t$BATS_TEST_NUMBER
	web=webdavs://alice@localhost:$PORT/dav/$at
	login=(-o "password=file:$SERVER/password" -o "ca=$SERVER/ca.pem")
	# Before the real one: what an rclone is started with, and as which process.
	mkdir bin
	cat >bin/rclone <<-END
	#!/bin/sh
	env >>$PWD/rclone.env
	echo "\$\$ \$*" >>$PWD/rclone.args
	exec $(command -v rclone) "\$@"
	END
	chmod +x bin/rclone
	PATH=$PWD/bin:$PATH
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
}

array() {
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	"$MRMR" add --mkdir "${login[@]}" "web=$web"
	"$MRMR" add rc=rclone:box:x
	"$MRMR" set parity=1
}

same() {
	rm -rf out
	"$MRMR" get latest --to out
	rsync -aHXcn --delete --itemize-changes in/ "out$PWD/in/" >differ
	[ ! -s differ ]
}

no_rclone_is_left() {
	local id
	while read -r id _; do
		# Another process may have its number by now.
		run grep -qa rclone "/proc/$id/cmdline"
		[ "$status" -ne 0 ] || return 1
	done <rclone.args
}

@test "what was put on three kinds of drives is restored, scrubbed, and rebuilt onto another kind" {
	array
	cp -r "$BATS_TEST_DIRNAME" in/scenarios
	head -c 900000 /dev/urandom >in/noise
	"$MRMR" put in
	same
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ $output == *"no damage found"* ]]
	# Bit rot at the remote is found and repaired.
	file=$(find box/x/.mrmr/blocks -type f | head -n 1)
	printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	run "$MRMR" scrub --drive rc
	[ "$status" -eq 23 ]
	# All that was on a folder moves to the server.
	mv d1 d1.gone
	"$MRMR" rebuild d1 --onto "again=rclone:box:y" --mkdir
	rm -rf state/*/table.sqlite*
	same
	run "$MRMR" status
	[ "$status" -eq 0 ]
	no_rclone_is_left
}

@test "recover needs nothing but the places and their secrets" {
	array
	head -c 300000 /dev/urandom >in/noise
	"$MRMR" put in
	rm -rf config state d1
	"$MRMR" recover "${login[@]}" "$web"
	same
}

@test "a wrong password, an unknown authority, another host's and an expired certificate are named" {
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	(umask 077 && echo wrong >wrong)
	run "$MRMR" add --mkdir -o password=file:wrong -o "ca=$SERVER/ca.pem" "web=$web"
	[ "$status" -eq 1 ]
	[[ $output == *401* ]]
	[ "$(wc -l <<<"$output")" -le 2 ]
	run "$MRMR" add --mkdir -o "password=file:$SERVER/password" "web=$web"
	[ "$status" -eq 1 ]
	[[ $output == *certificate* ]]
	run "$MRMR" add --mkdir "${login[@]}" "web=webdavs://alice@localhost:$((PORT + 2))/dav/$at"
	[ "$status" -eq 1 ]
	[[ $output == *"subject name matches"* ]]
	run "$MRMR" add --mkdir "${login[@]}" "web=webdavs://alice@localhost:$((PORT + 3))/dav/$at"
	[ "$status" -eq 1 ]
	[[ $output == *expired* ]]
	run "$MRMR" add "${login[@]}" "web=$web"
	[ "$status" -eq 2 ]
	[[ $output == *"is not there"* ]]
	run "$MRMR" add "${login[@]}" "web=webdavs://alice@localhost:$PORT/readonly"
	[ "$status" -eq 1 ]
	[[ $output == *403* ]]
	run "$MRMR" drives
	[ "${#lines[@]}" -eq 1 ]
}

@test "HTTP/2 is used where offered, but for what its window would hold up" {
	"$MRMR" init --key-file key --block-size 256K --mkdir "${login[@]}" "web=$web" >recovery
	: >"$SERVER/log/versions"
	head -c 700000 /dev/urandom >in/noise
	"$MRMR" put in
	same
	grep -q '^HTTP/2.0 GET ' "$SERVER/log/versions"
	grep -q '^HTTP/2.0 PROPFIND ' "$SERVER/log/versions"
	grep -q '^HTTP/1.1 PUT 2' "$SERVER/log/versions"
	run grep -E '^HTTP/2.0 PUT [0-9]{6}' "$SERVER/log/versions"
	[ "$status" -eq 1 ]
}

@test "a server without room is a full drive: what it refuses goes elsewhere" {
	"$MRMR" init --key-file key --block-size 256K --parity 0 d1 2>/dev/null >recovery
	"$MRMR" add --mkdir "${login[@]}" "web=webdavs://alice@localhost:$PORT/full/$at"
	head -c 700000 /dev/urandom >in/noise
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	[[ $output == *"drive web"*507* ]]
	[[ $output == *"all is stored"* ]]
	same
}

@test "where the only drive turns out to be full, a put is out of space and names it" {
	"$MRMR" init --key-file key --block-size 256K --mkdir "${login[@]}" \
		"web=webdavs://alice@localhost:$PORT/full/$at" 2>/dev/null >recovery
	head -c 700000 /dev/urandom >in/noise
	run --separate-stderr "$MRMR" put in
	[ "$status" -eq 25 ]
	[[ ${stderr_lines[-2]} == "mrmr: store a group: drive web is full: "*507* ]]
	run "$MRMR" snapshots
	[ -z "$output" ]
}

@test "a server that goes away while a get and a put are on their way is done without" {
	array
	head -c 1500000 /dev/urandom >in/noise
	"$MRMR" put in
	"$MRMR" set web.limit-download=800K web.limit-upload=200K
	"$MRMR" get latest --to out >said 2>&1 &
	pid=$!
	until [ -d out ]; do
		kill -0 "$pid"
		sleep 0.01
	done
	"$servers/apache.sh" kill "$SERVER"
	wait "$pid"
	pid=
	cmp in/noise "out$PWD/in/noise"
	"$servers/apache.sh" again "$SERVER"
	head -c 1500000 /dev/urandom >in/more
	stored=$(cat "$SERVER/home")/data/dav/$at/.mrmr
	before=$(find "$stored" -name '*.blob' | wc -l)
	"$MRMR" put in >said 2>&1 &
	pid=$!
	until [ "$(find "$stored" -name '*.blob' | wc -l)" -gt "$before" ]; do
		kill -0 "$pid"
		sleep 0.02
	done
	while_stopped "$pid" "$servers/apache.sh" kill "$SERVER"
	rc=0
	wait "$pid" || rc=$?
	pid=
	cat said
	[ $rc -eq 0 ]
	grep -q 'drive web' said
	same
	"$servers/apache.sh" again "$SERVER"
}

@test "passwords are in no argument, environment of a child, output, config, state or drive" {
	export DAV_PASSWORD=wonderland
	login=(-o password=env:DAV_PASSWORD -o "ca=$SERVER/ca.pem")
	array
	head -c 300000 /dev/urandom >in/noise
	"$MRMR" -v --json put in >said 2>&1
	"$MRMR" -v drives >>said 2>&1
	DAV_PASSWORD=wrong-wonderland run "$MRMR" -v status
	echo "$output" >>said
	unset DAV_PASSWORD
	run "$MRMR" -v status
	echo "$output" >>said
	[[ $output == *DAV_PASSWORD* ]]
	grep -q 'serve webdav' rclone.args
	run grep -rq wonderland said config state d1 box rclone.env rclone.args
	[ "$status" -eq 1 ]
	# The log-in that rclone was given is nowhere else.
	secret=$(sed -n 's/^RCLONE_PASS=//p' rclone.env | head -n 1)
	[ ${#secret} -eq 48 ]
	run grep -rqF -- "$secret" said config state d1 box rclone.args
	[ "$status" -eq 1 ]
	run grep -q '^MRMR_\|^DAV_' rclone.env
	[ "$status" -eq 1 ]
}

# Begins a put that takes a while; what serves the remote is then at work.
slow_put() {
	head -c 3000000 /dev/urandom >in/noise
	"$MRMR" set rc.limit-upload=200K
	: >rclone.args
	"$MRMR" put in >said 2>&1 &
	pid=$!
	until [ -n "$(find box/x/.mrmr/~tmp -type f 2>/dev/null)" ]; do
		kill -0 "$pid"
		sleep 0.02
	done
}

@test "rclone ends with the command that started it, even if that is killed" {
	array
	slow_put
	kill -KILL "$pid"
	wait "$pid" || true
	pid=
	for try in $(seq 400); do
		no_rclone_is_left && break
		sleep 0.05
	done
	no_rclone_is_left
}

@test "an rclone that ends too early is a drive that failed, and it is said why" {
	array
	slow_put
	kill -KILL "$(sed -n 's/ serve webdav .*//p' rclone.args)"
	rc=0
	wait "$pid" || rc=$?
	pid=
	cat said
	[ $rc -eq 0 ] || [ $rc -eq 20 ]
	grep -q 'drive rc: rclone has ended' said
	same
}

@test "a remote that is not there, an rclone that is not there and a bad URL are one clear line" {
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	run "$MRMR" add rc=rclone:box:missing
	[ "$status" -eq 2 ]
	[[ $output == *"box:missing is not there"* ]]
	[ ! -e box/missing ]
	run "$MRMR" add rc=rclone:nobody:x
	[ "$status" -eq 1 ]
	[[ $output == *nobody* ]]
	for url in rclone: rclone:box rclone::local:/x 'rclone:box,remote=/:x' rclone:-v:x; do
		run "$MRMR" add "rc=$url"
		[ "$status" -eq 2 ]
	done
	PATH=$PWD/d1 run "$MRMR" add rc=rclone:box:x
	[ "$status" -eq 1 ]
	[[ $output == *'no program "rclone"'* ]]
	[ "$(grep -c . <<<"$output")" -le 2 ]
}
