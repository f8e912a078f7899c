# Exit codes as the table in mrmr(1) has them, and what is said with each: one line of what, why and
# where, then one that names the next command. The codes 20 to 23 are also looked at elsewhere.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	array_of_three --parity 1 --block-size 64K
	mkdir in
	head -c 200000 /dev/urandom >in/noise
	echo letter >in/letter
	"$MRMR" put in >said
}

# run, but of the error the two lines alone, without warnings.
errors_of() {
	run --separate-stderr "$@"
	said=$(grep -v '^mrmr: warning: ' <<<"$stderr" || true)
}

@test "0: done" {
	errors_of "$MRMR" get latest --to out
	[ "$status" -eq 0 ]
	[ "$said" = "" ]
}

@test "1: failed, and which command lists what there is" {
	errors_of "$MRMR" get deadbeef --to out
	[ "$status" -eq 1 ]
	[ "$said" = "mrmr: snapshot deadbeef: there is none
\`mrmr snapshots\` lists the snapshots, \`mrmr ls -R SNAPSHOT\` what is in one." ]
	errors_of "$MRMR" cat latest:/nowhere
	[ "$status" -eq 1 ]
	[ "$said" = "mrmr: /nowhere: no such file or folder in the snapshot
\`mrmr snapshots\` lists the snapshots, \`mrmr ls -R SNAPSHOT\` what is in one." ]
	errors_of "$MRMR" key remove ffffffff
	[ "$status" -eq 1 ]
	[ "$said" = "mrmr: slot ffffffff: there is none
\`mrmr key list\` lists the slots." ]
}

@test "2: the command line makes no sense, and nothing was done" {
	errors_of "$MRMR" put --no-such-option in
	[ "$status" -eq 2 ]
	[ "$said" = "mrmr: put: no option '--no-such-option'
See \`mrmr help put\`." ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 1 ]
}

@test "3: a source that cannot be read is named, everything else is stored" {
	echo new >in/new
	run --separate-stderr "$MRMR" put in nowhere
	[ "$status" -eq 3 ]
	[ "$stderr" = "mrmr: warning: $PWD/nowhere: stat: No such file or directory" ]
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

@test "10: no such array" {
	errors_of "$MRMR" -a other status
	[ "$status" -eq 10 ]
	[ "$said" = "mrmr: no array config at $PWD/config/other.json
\`mrmr init\` creates an array, \`mrmr recover URL...\` finds one again, -a and MRMR_ARRAY name another." ]
}

@test "11: two puts of one series exclude each other" {
	lock=$(ls state/*/put-*.lock)
	exec 9<>"$lock"
	flock -n 9
	errors_of "$MRMR" put in
	[ "$status" -eq 11 ]
	[ "$said" = "mrmr: another put of the same paths is running
Run \`mrmr put\` again when the other one has ended." ]
	exec 9>&-
	"$MRMR" put in
}

@test "12: wrong key" {
	printf 'mrmr-key-1 %064d\n' 7 >key
	errors_of "$MRMR" ls latest
	[ "$status" -eq 12 ]
	[ "$said" = "mrmr: wrong passphrase or key
\`mrmr key list\` tells which slots there are." ]
	"$MRMR" key list
}

@test "20: from status, put and rebuild only; other commands say so in a line" {
	mv d3 away
	errors_of "$MRMR" status
	[ "$status" -eq 20 ]
	[ "$said" = "" ]
	mv d2 away2
	echo more >in/more
	errors_of "$MRMR" put in
	[ "$status" -eq 20 ]
	mv away2 d2
	for command in "get latest --to out" "cat latest:in/letter" "ls latest" snapshots drives scrub; do
		errors_of "$MRMR" $command
		[ "$status" -eq 0 ]
		[[ "$stderr" == *"warning: drive d3 is left out: absent: "* ]]
	done
}

@test "21: what is lost is listed, everything else restored" {
	mv d1 away1
	mv d2 away2
	run --separate-stderr "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	[[ "$stderr" == *"warning: $PWD/in/noise: LOST: bytes "*" of 200000 cannot be read: "* ]]
	[ ! -e "out$PWD/in/noise" ]
}

@test "22, 23: scrub, by whether all was repaired" {
	printf x | dd of="$(find d1 -name '*.blob' | head -n 1)" bs=1 seek=999 conv=notrunc status=none
	run "$MRMR" scrub --no-repair
	[ "$status" -eq 22 ]
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "24: no drive at hand" {
	mkdir away
	mv d1 d2 d3 away
	errors_of "$MRMR" put --force in
	[ "$status" -eq 24 ]
	[ "$said" = "mrmr: no usable drive takes data
\`mrmr status\` tells which drives are missing." ]
}

@test "24: without any drive and any copy here, it is said where the drives should be" {
	mkdir away
	mv d1 d2 d3 away
	rm -rf state
	errors_of "$MRMR" status
	[ "$status" -eq 24 ]
	[[ "$stderr" == *"mrmr: warning: drive d2 is left out: absent: open folder $PWD/d2: No such file or directory"* ]]
	[[ "$said" == *"mrmr: unlock: no key slot on any drive at hand
Attach one of its drives, and run it again." ]]
}

@test "25: no drive has room, and nothing is committed" {
	"$MRMR" set d1.max=1K d2.max=1K d3.max=1K
	head -c 200000 /dev/urandom >in/more
	errors_of "$MRMR" put in
	[ "$status" -eq 25 ]
	[ "$said" = "mrmr: store a group: the drives have no room for one more block and 1 row
\`mrmr status\` tells which drives have room, \`mrmr add\` adds one." ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 1 ]
}

@test "26: a drive of another array stops what writes, and only that" {
	(
		export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
		mkdir e1 e2
		"$MRMR" init --key-file key2 e1 e2
	)
	mv d3 away
	mv e1 d3
	errors_of "$MRMR" put in
	[ "$status" -eq 26 ]
	[ "$(wc -l <<<"$said")" -eq 2 ]
	[[ "$said" == "mrmr: drive d3 is foreign: "* ]]
	errors_of "$MRMR" get latest --to out
	[ "$status" -eq 0 ]
	diff -r in "out$PWD/in"
}

@test "26: an array that lacks the head that is expected" {
	head=$(sed -n 's/^head //p' said)
	"$MRMR" --expect-head "$head" ls latest
	errors_of "$MRMR" --expect-head "$(tr 0-9a-f 1-9a-f0 <<<"$head")" ls latest
	[ "$status" -eq 26 ]
	[[ "$said" == "mrmr: the array does not contain head "* ]]
}

# Begins a put that takes long, waits until it stores, and sends it a signal.
interrupted_by() {
	local pid code=0
	head -c 40000000 /dev/urandom >in/long
	"$MRMR" put in >said 2>errors &
	pid=$!
	while [ "$(find d1/.mrmr/blocks d1/.mrmr/parity -type f | wc -l)" -lt 10 ]; do
		kill -0 "$pid"
	done
	kill "-$1" "$pid"
	wait "$pid" || code=$?
	[ "$code" -eq "$2" ]
	[ "$(cat errors)" = "mrmr: interrupted" ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 1 ]
	"$MRMR" get latest --to out
	cmp in/noise "out$PWD/in/noise"
	"$MRMR" put in
	"$MRMR" get latest --to out
	cmp in/long "out$PWD/in/long"
}

@test "130: interrupted by SIGINT, nothing half-committed, and put again resumes" {
	interrupted_by INT 130
}

@test "143: ended by SIGTERM likewise" {
	interrupted_by TERM 143
}

@test "every code of the program but 4 has a test here; nothing has a budget yet" {
	sed -n 's/^\tEXIT_[A-Z_]* = \([0-9]*\),.*/\1/p' "$BATS_TEST_DIRNAME/../../cmd/exit.h" |
		grep -vx 4 | sort -n >program
	grep -o '^@test "[0-9, ]*:' "$BATS_TEST_FILENAME" | grep -o '[0-9]*' | sort -nu >tested
	diff program tested
}
