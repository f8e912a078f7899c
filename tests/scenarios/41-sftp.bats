#!/usr/bin/env bats
# Drives on hosts with SSH: an array over a folder and two of them, on servers of this test's own.

load common

servers=$BATS_TEST_DIRNAME/../servers

# Two servers, a and b, known to ssh by its own configuration; `ssh` is the system's, told where that is.
setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	unset SSH_AUTH_SOCK
	[ -x /usr/sbin/sshd ] || skip 'openssh-server is missing'
	mkdir d1 in bin
	. "$servers/lib.sh"
	a=$PWD/a b=$PWD/b
	port_a=$(claim_ports)
	port_b=$((port_a + 1))
	started=
	start a "$port_a"
	cat >ssh_config <<-END
	Host a b
		HostName 127.0.0.1
		User $(id -un)
		IdentitiesOnly yes
		IdentityFile $a/id_ed25519
		UserKnownHostsFile $PWD/known_hosts
		GlobalKnownHostsFile /dev/null
	Host a
		Port $port_a
	Host b
		Port $port_b
	END
	printf '#!/bin/sh\nexec /usr/bin/ssh -F %q "$@"\n' "$PWD/ssh_config" >bin/ssh
	chmod +x bin/ssh
	export PATH=$PWD/bin:$PATH
	head -c 300000 /dev/urandom >in/old
}

teardown() {
	local server
	for server in $started; do
		"$servers/sshd.sh" stop "$BATS_TEST_TMPDIR/$server"
	done
}

start() { # server port: its keys are known, and the first one's may log in everywhere
	mkdir "$1"
	"$servers/sshd.sh" start "$PWD/$1" "$2"
	started+=" $1"
	cat "$1/known_hosts" >>known_hosts
	[ "$1" = a ] || cat a/authorized_keys >>"$1/authorized_keys"
}

# parity 1 over d1, a, b
make_array() {
	start b "$port_b"
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 "sftp://a$a/data" "b=sftp://b$b/data"
	"$MRMR" put in
	head -c 300000 /dev/urandom >in/new
}

compare() {
	rm -rf out
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

@test "files are stored over SSH and come back without any one of the three drives" {
	make_array
	"$MRMR" put in
	[ "$(find a/data/.mrmr b/data/.mrmr -name '*.blob' | wc -l)" -gt 4 ]
	run find a/data b/data -path '*~tmp/*'
	[ -z "$output" ]
	run find a/data/.mrmr b/data/.mrmr ! -perm 600 ! -perm 700
	[ -z "$output" ]
	compare
	mv d1 away
	rm -rf state/*/table.sqlite*
	compare
	mv away d1
	mv a/data a/away
	compare
	mv a/away a/data
	"$servers/sshd.sh" stop "$b"
	run compare
	[ "$status" -eq 0 ]
	[[ "$output" == *"b is left out"*"sftp 127.0.0.1:$port_b"* ]]
	"$MRMR" scrub
}

@test "recover follows no reference to a secret that only a journal names" {
	local refs
	umask 077
	echo canary >pw
	export PHRASE=canary MINE=canary
	"$MRMR" init --key-file key d1 "a=sftp://a$a/data" -o "password=file:$PWD/pw" -o passphrase=env:PHRASE -o connections=2
	"$MRMR" put in
	refs='.drives[] | select(.name == "a") | .options | tojson'
	cp key k1
	export MRMR_KEY_FILE=$PWD/k1
	rm -rf config state
	"$MRMR" recover d1 2>said
	cat said
	grep 'drive a: where its secrets are (password, passphrase) is not taken from the journals: `mrmr set a.KEY=REF`' said
	[ "$(jq -r "$refs" config/default.json)" = '{"connections":"2"}' ]
	compare
	"$MRMR" set "a.password=file:$PWD/pw"
	[ "$(jq -r "$refs" config/default.json)" = "{\"connections\":\"2\",\"password\":\"file:$PWD/pw\"}" ]
	# Who names the place trusts it, but runs no programs for it.
	"$MRMR" set "a.passphrase=command:touch $PWD/ran"
	for given in "" passphrase=env:MINE; do
		rm -rf config state
		"$MRMR" recover d1 "sftp://a$a/data" ${given:+-o "$given"} 2>said
		if [ -z "$given" ]; then
			grep 'drive a: where its secrets are (passphrase) is' said
			[ "$(jq -r "$refs" config/default.json)" = "{\"connections\":\"2\",\"password\":\"file:$PWD/pw\"}" ]
		else
			run grep 'secrets' said
			[ "$status" -eq 1 ]
			[ "$(jq -r "$refs" config/default.json)" = \
				"{\"connections\":\"2\",\"passphrase\":\"env:MINE\",\"password\":\"file:$PWD/pw\"}" ]
		fi
		compare
	done
	[ ! -e ran ]
}

@test "what killed puts left on a server is removed after a day, and nothing younger" {
	"$MRMR" init --key-file key "sftp://a$a/data"
	mkdir -p "a/data/.mrmr/~tmp"
	touch "a/data/.mrmr/~tmp/theirs-1-0123" "a/data/.mrmr/~tmp/old-1-0123"
	touch -d '25 hours ago' "a/data/.mrmr/~tmp/old-1-0123"
	"$MRMR" put in
	[ "$(ls "a/data/.mrmr/~tmp")" = theirs-1-0123 ]
	rm -rf state/*/table.sqlite*
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ "$output" == *"no damage found"* ]]
}

@test "what was stored before a connection broke is looked for again when it is synced" {
	local unit
	unit=$(dirname "$MRMR")/tests/unit/test_sftp_broken
	[ -e "$unit" ] || make -C "$BATS_TEST_DIRNAME/../.." -s B="$(dirname "$MRMR")" "$unit"
	MRMR_SSHD=$a MRMR_SSHD_PORT=$port_a run "$unit"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" != *SKIPPED* ]]
}

@test "a server that stops in the middle of a put costs nothing but its copy" {
	make_array
	head -c 3000000 /dev/urandom >in/new
	"$MRMR" set b.limit-upload=500K
	"$MRMR" put in >said 2>&1 3>&- &
	writer=$!
	local before
	before=$(find b/data/.mrmr -name '*.blob' | wc -l)
	until [ -n "$(find b/data/.mrmr -path '*~tmp/*')" ] ||
		[ "$(find b/data/.mrmr -name '*.blob' | wc -l)" -gt "$before" ]; do
		kill -0 $writer
		sleep 0.02
	done
	"$servers/sshd.sh" stop "$b"
	wait $writer && code=0 || code=$?
	cat said
	[[ " 0 20 " == *" $code "* ]]
	compare
	"$servers/sshd.sh" again "$b"
	"$MRMR" set b.limit-upload=
	"$MRMR" put in
	compare
	run "$MRMR" status
	[ "$status" -eq 0 ]
	run find b/data -path '*~tmp/*'
	[ -z "$output" ]
	mv d1 away
	compare
}

@test "a server that stops in the middle of a get is done without" {
	make_array
	head -c 3000000 /dev/urandom >in/new
	"$MRMR" put in
	"$MRMR" set b.limit-download=500K
	"$MRMR" get latest --to out >said 2>&1 3>&- &
	reader=$!
	until [ -n "$(find out -type f 2>/dev/null)" ] || ! kill -0 $reader; do
		sleep 0.02
	done
	"$servers/sshd.sh" stop "$b"
	wait $reader && code=0 || code=$?
	cat said
	[ "$code" -eq 0 ]
	diff -r in "out$PWD/in"
}

@test "a host key that changed leaves the drive out, and the line names host, key and file" {
	make_array
	rm in/new
	"$servers/sshd.sh" rekey "$b"
	seen=$(ssh-keygen -lf b/host_ed25519.pub | cut -d' ' -f2)
	run compare
	[ "$status" -eq 0 ]
	[[ "$output" == *"b is left out"*"[127.0.0.1]:$port_b"*"$PWD/known_hosts"*"$seen"* ]]
	find b/data >before
	head -c 300000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	find b/data | cmp - before
}

@test "an unknown host key is refused, accepted only when that is asked for, and then known" {
	grep -v "$port_a" known_hosts >none || :
	mv none known_hosts
	run "$MRMR" init --key-file key d1 "sftp://a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"[127.0.0.1]:$port_a (SHA256:"*"$PWD/known_hosts"*"accept-new=yes"* ]]
	[ ! -e config/default.json ]
	[ ! -e a/data/.mrmr ]
	[ ! -s known_hosts ]
	"$MRMR" init --key-file key d1
	"$MRMR" add -o accept-new=yes a="sftp://a$a/data"
	[ "$(cut -d' ' -f1 known_hosts)" = "[127.0.0.1]:$port_a" ]
	"$MRMR" put in
	compare
	# what was accepted once is no leave to accept another
	: >known_hosts
	run "$MRMR" put in
	[[ "$output" == *"a is left out"*"accept-new=yes"* ]]
	[ ! -s known_hosts ]
}

@test "an identity with a passphrase, and keys that are refused" {
	ssh-keygen -q -t rsa -b 2048 -N '' -f id_rsa
	ssh-keygen -q -t ed25519 -N '' -f id_stranger
	cat id_rsa.pub >>a/authorized_keys
	run "$MRMR" init --key-file key -o identity=id_stranger "sftp://a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"log in as $(id -un): the server refused"* ]]
	run "$MRMR" init --key-file key -o "identity=$a/id_locked" "sftp://a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$a/id_locked needs its passphrase: -o passphrase=REF"* ]]
	run "$MRMR" init --key-file key -o "identity=$PWD/nowhere" "sftp://a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$PWD/nowhere cannot be read"* ]]
	if pkg-config --max-version 1.10.99 libssh2; then
		run "$MRMR" init --key-file key -o identity=id_rsa "sftp://a$a/data"
		[ "$status" -eq 1 ]
		[[ "$output" == *"RSA"*"ssh-keygen -t ed25519"* ]]
	fi
	[ ! -e a/data/.mrmr ]
	"$MRMR" init --key-file key -o "identity=$a/id_locked" -o "passphrase=file:$a/passphrase" \
		"sftp://a$a/data"
	"$MRMR" put in
	compare
}

@test "keys of an agent" {
	ssh-keygen -q -t ed25519 -N '' -f id_agent
	cat id_agent.pub >>a/authorized_keys
	sed -i '/Identit/d' ssh_config
	eval "$(ssh-agent -s)"
	ssh-add -q id_agent
	run "$MRMR" init --key-file key "sftp://a$a/data"
	kill "$SSH_AGENT_PID"
	[ "$status" -eq 0 ]
	rm -rf config state key a/data/.mrmr
	run "$MRMR" init --key-file key "sftp://a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"(0 keys of the agent, 0 key files)"* ]]
}

@test "a host behind another one is reached through it" {
	start b "$port_b"
	sed -i 's/^Host b$/&\n\tProxyJump a/' ssh_config
	"$MRMR" init --key-file key "sftp://b$b/data"
	"$MRMR" put in
	compare
	grep -q 'Connection closed by\|Received disconnect\|Accepted publickey' a/log/sshd
	"$servers/sshd.sh" stop "$a"
	run compare
	[ "$status" -ne 0 ]
	[[ "$output" == *"on the way:"* ]]
	# What led there ends, if not at the same moment.
	for ((tries = 0; tries < 500; tries++)); do
		pgrep -f "W\[127.0.0.1\]:$port_b" || break
		sleep 0.02
	done
	[ "$tries" -lt 500 ]
}

@test "a proxy command is run, and what it says is told when it fails" {
	cat >bin/way <<-'END'
	#!/bin/bash
	exec 3<>"/dev/tcp/$1/$2"
	cat <&3 &
	exec cat >&3
	END
	chmod +x bin/way
	sed -i "s|^Host a\$|&\n\tProxyCommand $PWD/bin/way %h %p 2>$PWD/way.said|" ssh_config
	"$MRMR" init --key-file key "sftp://a$a/data"
	"$MRMR" put in
	compare
	[ -e way.said ]
	printf '#!/bin/sh\necho "no way there today" >&2\nexit 1\n' >bin/way
	sed -i 's|2>.*way.said||' ssh_config
	run compare
	[ "$status" -ne 0 ]
	[[ "$output" == *"on the way: no way there today"* ]]
}

@test "what a server answers wrongly is found, and harms nothing" {
	[ -e /usr/lib/openssh/sftp-server ] || skip 'openssh-sftp-server is missing'
	mkdir d2
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 "sftp://a$a/data"
	"$MRMR" put in
	"$MRMR" set data.connections=1
	cp -a a/data/.mrmr before
	for mode in greeting ids packets lengths longer empty flip sizes counts; do
		echo "$mode"
		"$servers/sshd.sh" hostile "$a" $mode
		rm -rf state/*/table.sqlite*
		run compare
		echo "$output"
		[ "$status" -eq 0 ]
		diff -r before a/data/.mrmr
	done
	# these are no mistakes: short answers, in any order, and names that are not ours
	for mode in shorter order names plain; do
		echo "$mode"
		"$servers/sshd.sh" hostile "$a" $mode
		rm -rf state/*/table.sqlite*
		run "$MRMR" scrub
		echo "$output"
		[ "$status" -eq 0 ]
		[[ "$output" != *"left out"* ]]
	done
}

@test "an open file that is not found, and a rename refused of a name that nobody has, are asked for again" {
	[ -e /usr/lib/openssh/sftp-server ] || skip 'openssh-sftp-server is missing'
	"$servers/sshd.sh" hostile "$a" clumsy
	"$MRMR" init --key-file key "sftp://a$a/data"
	"$MRMR" put in
	compare
}

@test "that a server has no fsync is found out when the drive joins" {
	[ -e /usr/lib/openssh/sftp-server ] || skip 'openssh-sftp-server is missing'
	"$servers/sshd.sh" hostile "$a" plain
	"$MRMR" init --key-file key "sftp://a$a/data"
	[ "$(jq -r '.drives[0].options.fsync' config/default.json)" = no ]
	# ... and told, in words.
	run "$MRMR" status
	[[ "${lines[-1]}" == "options:  data has fsync=no: "*" loses power may be lost" ]]
	run "$MRMR" -v drives
	[[ "${lines[0]}" == *" optimal "*"  fsync=no: "*" loses power may be lost" ]]
	[ "$("$MRMR" --json drives | jq -r '.weak_options[0].option')" = fsync=no ]
	"$MRMR" put in
	compare
}

@test "a disk that turns out to be full is named, nothing is half there, and others take the objects" {
	preload full
	[ -e /usr/lib/openssh/sftp-server ] || skip 'openssh-sftp-server is missing'
	mkdir d2
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 "sftp://a$a/data"
	"$MRMR" put in
	head -c 1000000 /dev/urandom >in/new
	"$servers/sshd.sh" full "$a" "$shim" 150000
	run "$MRMR" put in
	[[ " 0 20 " == *" $status "* ]]
	[[ "$output" == *"no space left"* ]]
	run find a/data -path '*~tmp/*'
	[ -z "$output" ]
	compare
	"$servers/sshd.sh" again "$a"
	"$MRMR" put in
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "a password by reference; a wrong one; one that is not given" {
	[ -e a/password ] || skip 'it takes root and libnss-wrapper'
	sed -i '/Identit/d' ssh_config
	printf 'wrong\n' >wrong
	chmod 600 wrong
	run "$MRMR" init --key-file key -o password=file:wrong "sftp://alice@a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"log in as alice: the server refused"*"the password"* ]]
	run "$MRMR" init --key-file key "sftp://alice@a$a/data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"it would take a password: -o password=REF"* ]]
	[ ! -e a/data/.mrmr ]
	"$MRMR" init --key-file key -o "password=file:$a/password" "sftp://alice@a$a/data"
	"$MRMR" put in
	compare
	run grep -r wonderland config state
	[ "$status" -ne 0 ]
}
