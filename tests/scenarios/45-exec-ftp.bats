# Programs and FTP servers as drives of an array; what fails on the way.

load common
load server

folder=$servers/exec_folder.py

setup_file() {
	export SERVER=$BATS_FILE_TMPDIR/proftpd
	start_server proftpd "$SERVER"
}

teardown_file() {
	"$servers/proftpd.sh" stop "$SERVER"
}

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2 in
	# A place of this test alone.
	ftp=ftps://127.0.0.1:$PORT/t$BATS_TEST_NUMBER
	login=(-o user=alice -o "password=file:$SERVER/password" -o "ca=$SERVER/ca.pem")
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
}

# d1, a program that keeps d2, and the server.
array() {
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	"$MRMR" add "p=exec:${program:-$folder $PWD/d2}"
	"$MRMR" add --mkdir "${login[@]}" "f=$ftp"
	"$MRMR" set parity=1
}

same() {
	rm -rf out
	"$MRMR" get latest --to out
	rsync -aHXcn --delete --itemize-changes in/ "out$PWD/in/" >differ
	[ ! -s differ ]
}

@test "a put that has no journals to merge lists a drive's keys and its journal, once, and nothing else" {
	printf '#!/bin/sh\ntee -a %q | exec python3 %q %q\n' "$PWD/asked" "$folder" "$PWD/d2" >program
	chmod +x program
	"$MRMR" init --key-file key d1 >recovery
	"$MRMR" add "p=exec:$PWD/program"
	seq 1000 >in/numbers
	: >asked
	"$MRMR" put in
	grep -a '^LIST' asked >lists
	[ "$(cat lists)" = $'LIST keys/\nLIST journal/' ]
}

@test "what was put on a folder, a program and a server is restored, scrubbed and rebuilt" {
	needs_server
	array
	cp -r "$BATS_TEST_DIRNAME/../servers" in/servers
	head -c 900000 /dev/urandom >in/noise
	"$MRMR" --json put in >said
	cat said
	jq -es '.[-1].traffic | map(select(.name != "d1")) | length == 2 and
		all(.requests >= .objects_written and .objects_written > 0 and
			.bytes_up >= .bytes_written) and .[1].connections > 0' said
	same
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ $output == *"no damage found"* ]]
	# Bit rot behind either is found and repaired.
	file=$(find d2/.mrmr/blocks -type f | head -n 1)
	printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	run "$MRMR" scrub --drive p
	[ "$status" -eq 23 ]
	file=$(find "$SERVER/data/t$BATS_TEST_NUMBER/.mrmr/blocks" -type f | head -n 1)
	printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	run "$MRMR" scrub --drive f
	[ "$status" -eq 23 ]
	# What a program keeps is what a folder keeps: one can take the other's place.
	mv d1 d1.gone
	mkdir d3
	"$MRMR" rebuild d1 --onto "q=exec:$folder $PWD/d3"
	rm -rf state/*/table.sqlite*
	same
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[ -z "$(find "$SERVER/data/t$BATS_TEST_NUMBER/.mrmr/~tmp" -type f)" ]
}

@test "recover needs nothing but a server or a program, and secrets" {
	needs_server
	array
	head -c 300000 /dev/urandom >in/noise
	"$MRMR" put in
	rm -rf config state
	"$MRMR" recover "${login[@]}" "$ftp"
	same
	rm -rf config state
	"$MRMR" recover "exec:$folder $PWD/d2"
	same
}

@test "a program that is killed, ends or talks nonsense in the middle loses nothing" {
	needs_server
	# One of these at the third request of each process, once armed.
	cat >unsteady <<-END
	#!/usr/bin/env python3
	import os, sys
	sys.path.insert(0, "$(dirname "$folder")")
	sys.dont_write_bytecode = True
	import exec_folder
	steady, count = exec_folder.answer, 0
	def one_takes(fault): # of the processes that see it at the same moment
	    try:
	        os.unlink(fault)
	        return True
	    except FileNotFoundError:
	        return False
	def answer(folder, words, source, out):
	    global count
	    count += 1
	    faults = sorted(os.listdir("$PWD/faults"))
	    if count == 3 and faults and one_takes("$PWD/faults/" + faults[0]):
	        if faults[0] == "end":
	            sys.exit("it had to end")
	        if faults[0] == "kill":
	            os.kill(os.getpid(), 9)
	        out.write(b"nonsense\n")
	    steady(folder, words, source, out)
	exec_folder.answer = answer
	sys.argv[1:] = ["$PWD/d2"]
	exec_folder.main()
	END
	chmod +x unsteady
	program=$PWD/unsteady
	mkdir faults
	array
	for fault in end kill nonsense; do
		touch "faults/$fault"
		head -c 300000 /dev/urandom >"in/$fault"
		run "$MRMR" put in
		echo "$output"
		[ "$status" -eq 0 ] || [ "$status" -eq 20 ]
		[ -z "$(ls faults)" ]
	done
	"$MRMR" rebalance
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 d1.gone
	same
}

@test "a program that is not there, or speaks of nothing, is named in one line" {
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	run "$MRMR" add "p=exec:./it"
	[ "$status" -eq 2 ]
	[[ $output == *"write the whole path"* ]]
	run "$MRMR" add "p=exec:$PWD/none"
	[ "$status" -ne 0 ]
	[[ $output == *"run '$PWD/none': No such file"* ]]
	run "$MRMR" add "p=exec:cat"
	[ "$status" -eq 1 ]
	[[ $output == *"no line of the protocol"* ]]
	[ "$(wc -l <<<"$output")" -le 2 ]
	run "$MRMR" add "p=exec:$folder $PWD/absent"
	[ "$status" -eq 2 ]
	[[ $output == *"is not there (--mkdir creates it)"* ]]
	# One that makes no places is not said to do it.
	printf '#!/bin/sh\nsed -u "s/ MAKE//" | %q %q\n' "$folder" "$PWD/absent" >never
	chmod +x never
	run "$MRMR" add --mkdir "p=exec:$PWD/never"
	[ "$status" -eq 2 ]
	[[ $output == *"drive p: "* ]]
	[[ $output != *mkdir* ]]
	"$MRMR" add --mkdir "p=exec:$folder $PWD/absent"
	run "$MRMR" drives
	[ "${#lines[@]}" -eq 2 ]
}

@test "a wrong password, an unknown authority and a server without TLS are named" {
	needs_server
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	(umask 077 && echo wrong-canary >wrong)
	run "$MRMR" add --mkdir -o user=alice -o password=file:wrong -o "ca=$SERVER/ca.pem" "f=$ftp"
	[ "$status" -eq 1 ]
	[[ $output == *"Login incorrect"* ]]
	[[ $output != *canary* ]]
	[ "$(wc -l <<<"$output")" -le 2 ]
	run "$MRMR" add --mkdir -o user=alice -o "password=file:$SERVER/password" "f=$ftp"
	[ "$status" -eq 1 ]
	[[ $output == *certificate* ]]
	run "$MRMR" add --mkdir "${login[@]}" -o tls=explicit "f=ftps://127.0.0.1:$((PORT + 2))/x"
	[ "$status" -eq 1 ]
	[[ $output == *TLS* ]]
	run "$MRMR" add "${login[@]}" "f=$ftp/absent"
	[ "$status" -eq 2 ]
	[[ $output == *"is not there"* ]]
	run "$MRMR" drives
	[ "${#lines[@]}" -eq 1 ]
	# Implicit TLS is found out, as explicit TLS is.
	"$MRMR" add --mkdir "${login[@]}" "i=ftps://127.0.0.1:$((PORT + 1))/i"
	"$MRMR" add --mkdir "${login[@]}" "f=$ftp"
	grep -q implicit config/default.json
	grep -q explicit config/default.json
}

@test "a server that goes away while a get and a put are on their way is done without" {
	needs_server
	array
	head -c 1500000 /dev/urandom >in/noise
	"$MRMR" put in
	"$MRMR" set f.limit-download=200K f.limit-upload=200K
	"$MRMR" get latest --to out >said 2>&1 &
	pid=$!
	until [ -d out ]; do
		kill -0 "$pid"
		sleep 0.01
	done
	"$servers/proftpd.sh" kill "$SERVER"
	wait "$pid"
	pid=
	cmp in/noise "out$PWD/in/noise"
	"$servers/proftpd.sh" again "$SERVER"
	head -c 1500000 /dev/urandom >in/more
	at=$SERVER/data/t$BATS_TEST_NUMBER/.mrmr
	before=$(find "$at" -name '*.blob' | wc -l)
	"$MRMR" put in >said 2>&1 &
	pid=$!
	until [ "$(find "$at" -name '*.blob' | wc -l)" -gt "$before" ]; do
		kill -0 "$pid"
		sleep 0.02
	done
	while_stopped "$pid" "$servers/proftpd.sh" kill "$SERVER"
	rc=0
	wait "$pid" || rc=$?
	pid=
	cat said
	[ $rc -eq 0 ]
	same
	"$servers/proftpd.sh" again "$SERVER"
}

@test "passwords are in no argument, environment of a child, output, config, state or drive" {
	needs_server
	# Before the real one: what a program is started with and told.
	cat >shown <<-END
	#!/bin/sh
	env >>"$PWD/shown.env"
	echo "\$0 \$*" >>"$PWD/shown.args"
	exec "$folder" "\$@"
	END
	chmod +x shown
	export NAS_PASSWORD='wonder land %2' TAPE_KEY=canary-of-tape
	login=(-o user=alice -o password=env:NAS_PASSWORD -o "ca=$SERVER/ca.pem")
	"$MRMR" init --key-file key --block-size 64K d1 2>/dev/null >recovery
	"$MRMR" add --mkdir "${login[@]}" "f=$ftp"
	"$MRMR" add -o key=env:TAPE_KEY "p=exec:$PWD/shown $PWD/d2"
	head -c 300000 /dev/urandom >in/noise
	"$MRMR" -v --json put in >said 2>&1
	"$MRMR" -v drives >>said 2>&1
	"$MRMR" -v scrub >>said 2>&1
	run env NAS_PASSWORD=wrong-canary "$MRMR" -v status
	echo "$output" >>said
	unset NAS_PASSWORD
	run "$MRMR" -v status
	[[ $output == *NAS_PASSWORD* ]]
	echo "$output" >>said
	[ -s shown.env ]
	run grep -rq 'wonder land\|canary' said config state d1 d2 shown.env shown.args "$SERVER/data"
	[ "$status" -eq 1 ]
	run grep -q '^MRMR_\|^NAS_\|^TAPE_' shown.env
	[ "$status" -eq 1 ]
}
