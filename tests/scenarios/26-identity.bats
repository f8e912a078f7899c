# bats file_tags=serial
# Drives and writers told apart: copies, swaps, old copies, lost and restored state folders (T-06).

load common
bats_require_minimum_version 1.5.0

note='mrmr: warning: the local table was missing or damaged: it was made anew from the journals'

setup() {
	fresh_home
	array_of_three --block-size 64K
	mkdir in
	head -c 100000 /dev/urandom >in/first
	echo "the only copy" >in/letter
	"$MRMR" -q put in
}

more() { # name: a put with something new in it
	head -c 50000 /dev/urandom >"in/$1"
	"$MRMR" -q put in 2>/dev/null
}

writers() {
	ls d1/.mrmr/journal | wc -l
}

# The state folder's contents as they were; its device and inode stay.
put_state_back() { # copy
	find state/* -mindepth 1 -delete
	cp -a "$1"/*/. state/*/
}

restores() { # snapshot folder
	rm -rf out
	"$MRMR" -q get "$1" --to out 2>/dev/null || return 1
	diff -r --no-dereference "$2" "out$PWD/in"
}

everything() {
	find d1 d2 d3 -type f -exec sha256sum {} + | sort -k 2
}

# ---- writers ----

@test "a state folder that was copied makes a new writer; both go on, and nothing forks" {
	cp -a state state.2
	more a
	MRMR_STATE_DIR=$PWD/state.2 run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"the state folder is a copy of another one: this host goes on as a new writer"* ]]
	more b
	MRMR_STATE_DIR=$PWD/state.2 run --separate-stderr "$MRMR" put in
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[[ "$output" == *"0 new, 0 changed, 4 unmodified"* ]]
	more c
	[ "$(writers)" -eq 2 ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 6 ]
	restores latest in
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "a state folder that was lost costs one note, and makes a new writer" {
	rm -r state
	run --separate-stderr "$MRMR" put in
	[ "$status" -eq 0 ]
	[ "$stderr" = "$note" ]
	[[ "$output" == *"0 new, 0 changed, 2 unmodified"* ]]
	[ "$(writers)" -eq 2 ]
	run --separate-stderr "$MRMR" put in
	[ "$stderr" = "" ]
	restores latest in
}

@test "a local table that was deleted or damaged costs one rebuild and a note, nothing else" {
	more a
	everything >before
	table=$(echo state/*/table.sqlite)
	for harm in "rm $table" "truncate -s 5000 $table" "cp /bin/true $table"; do
		bash -c "$harm"
		run --separate-stderr "$MRMR" snapshots
		[ "$status" -eq 0 ]
		[ "${#lines[@]}" -eq 2 ]
		[ "$stderr" = "$note" ]
		run --separate-stderr "$MRMR" snapshots
		[ "$stderr" = "" ]
		restores latest in
	done
	everything | diff before -
	"$MRMR" put in
	[ "$(writers)" -eq 1 ]
}

@test "scrub finds damage in the local table that nothing else has met" {
	more a
	table=$(echo state/*/table.sqlite)
	pages=$(($(stat -c %s "$table") / 8192))
	for page in 2 $((pages / 2)) $((pages - 1)); do
		head -c 8192 /dev/urandom | dd of="$table" bs=8192 seek=$page conv=notrunc status=none
		rm -f "$table"-wal "$table"-shm
		run --separate-stderr "$MRMR" scrub
		[ "$status" -eq 0 ]
		[ "$stderr" = "$note" ]
		run --separate-stderr "$MRMR" scrub
		[ "$stderr" = "" ]
		restores latest in
	done
}

@test "a state folder restored from a backup goes on as a new writer, and every snapshot is there" {
	cp -a state backup
	more a
	cp -a in in.a
	put_state_back backup
	echo little >in/little
	run --separate-stderr "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"state folder is older than this host's journal on the drives"*"a new writer" ]]
	[[ "$output" == *"1 new, 0 changed, 3 unmodified"* ]]
	run --separate-stderr "$MRMR" put in
	[ "$stderr" = "" ]
	[ "$(writers)" -eq 2 ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 4 ]
	restores latest in
	restores latest~2 in.a
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "an identity that does not open is kept aside, and said" {
	echo garbage >"$(echo state/*/writer)"
	run --separate-stderr "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"no identity that opens: this host goes on as a new writer" ]]
	[ "$(cat state/*/writer.????????????????)" = garbage ]
	[ "$(writers)" -eq 2 ]
	restores latest in
}

@test "an identity beyond what anybody has of its journal signs nothing that nobody could read" {
	cp -a state backup
	for d in 1 2 3; do
		cp -a d$d old$d
	done
	more a
	cp state/*/writer ahead
	put_state_back backup
	cp ahead "$(echo state/*/writer)"
	for d in 1 2 3; do
		rm -r d$d
		mv old$d d$d
	done
	run "$MRMR" scrub
	[[ "$output" == *"the end of this host's journal is on no drive at hand"*"a new writer"* ]]
	[[ "$output" == *"ROLLBACK"*"no drive at hand has what is missing, nor has the state folder"* ]]
	[ "$status" -eq 22 ]
	rm -r state
	"$MRMR" put in
	rm -r state
	restores latest in
}

# ---- drives that come and go ----

@test "drives that are there by turns are behind, never rolled back, and brought up to date" {
	for i in 1 2 3 4 5 6; do
		away=d$((i % 3 + 1))
		mv $away away
		head -c 30000 /dev/urandom >in/turn$i
		run "$MRMR" put in
		[ "$status" -eq 0 ]
		[[ "$output" != *ROLLBACK* ]]
		mv away $away
		run "$MRMR" drives
		[[ "$output" == *"$away  stale"* ]]
	done
	restores latest in
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
	for d in d2 d3; do
		diff <(cd d1/.mrmr/journal && find . -type f | sort) \
			<(cd $d/.mrmr/journal && find . -type f | sort)
	done
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "an empty mount point is an absent drive for every command, and stays empty" {
	mv d2 away
	mkdir d2
	for command in "put in" "ls latest" "snapshots" "scrub" "drives" "key list" "key recovery" "rebuild" \
		"set d1.max=1G" "whereis latest:${PWD:1}/in/first"; do
		run "$MRMR" $command
		[ "$status" -eq 0 ] || [ "$command $status" = "rebuild 20" ]
		[ "$command" = "key list" ] || [[ "$output" == *"d2"*"no marker at $PWD/d2 (not mounted?)"* ]]
		[ -z "$(ls -A d2)" ]
	done
	run "$MRMR" scrub --drive d2
	[ "$status" -eq 24 ]
	rmdir d2
	mv away d2
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

# ---- drives that are not what they should be ----

# Reading commands leave the drive out, say so, and succeed; writing ones stop before their first
# write, name the drive and the next command.
everyone_minds() { # drive, what is said of it
	local command snapshot
	snapshot=$("$MRMR" --json snapshots 2>/dev/null | jq -r 'select(.id) | .id' | tail -n 1)
	[ -n "$snapshot" ]
	everything >before
	for command in "ls $snapshot" "ls -lR $snapshot" "cat $snapshot:${PWD:1}/in/letter" "snapshots" \
		"whereis $snapshot:${PWD:1}/in/first" "get $snapshot --to out.$1" "drives" "put -n in" \
		"scrub -n" "set -n d1.max=1G" "rebuild -n"; do
		run --separate-stderr "$MRMR" $command
		echo "$command: $status: $stderr"
		[ "$status" -eq 0 ] || [ "$command $status" = "scrub -n 22" ]
		[[ "$stderr" == *"$1"*"$2"* ]]
	done
	rm -rf "out.$1"
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"$2"*action:* ]]
	mkdir -p d9
	for command in "put in" "add d9" "set d1.max=1G" "key add --key-file key9" "key recovery" "rebuild"; do
		run --separate-stderr "$MRMR" $command
		echo "$command: $status: $stderr"
		[ "$status" -eq 26 ]
		[[ "${stderr_lines[-2]}" == "mrmr: "*"$1"*"$2"* ]]
		[[ "${stderr_lines[-1]}" == *'`mrmr status`'* ]]
	done
	[ -z "$(ls -A d9)" ]
	[ ! -e key9 ]
	everything | diff before -
}

@test "a drive of another array" {
	mkdir other
	MRMR_CONFIG_DIR=$PWD/config.2 MRMR_STATE_DIR=$PWD/state.2 "$MRMR" -q init --key-file key.2 other
	mv d3 away
	mv other d3
	everyone_minds d3 "belongs to another array"
	run "$MRMR" scrub
	[ "$status" -eq 26 ]
	rm -r d3
	mv away d3
	"$MRMR" put in
}

@test "a drive in two places: as a copy, as a symbolic link, as a bind mount" {
	mv d2 away
	cp -a d1 d2
	everyone_minds d2 "$PWD/d1 and $PWD/d2 are the same drive"
	rm -r d2
	ln -s d1 d2
	run "$MRMR" put in
	[ "$status" -eq 26 ]
	[[ "$output" == *"$PWD/d1 and $PWD/d2 are the same drive"* ]]
	rm d2
	mkdir d2
	run unshare -m bash -c 'mount --bind d1 d2 && "$MRMR" put in'
	if [[ "$output" != *ermi* ]]; then
		[ "$status" -eq 26 ]
		[[ "$output" == *"$PWD/d1 and $PWD/d2 are the same drive"* ]]
	fi
	rmdir d2
	mv away d2
	"$MRMR" put in
}

@test "two drives that changed places" {
	mv d1 x
	mv d2 d1
	mv x d2
	run "$MRMR" put in
	[ "$status" -eq 26 ]
	[[ "$output" == *"drive d1 is foreign: $PWD/d1 holds another drive of this array"* ]]
	run "$MRMR" scrub
	[ "$status" -eq 26 ]
	mv d1 x
	mv d2 d1
	mv x d2
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "a place given twice makes no array, by whatever name; nothing is left there" {
	export MRMR_CONFIG_DIR=$PWD/config.2 MRMR_STATE_DIR=$PWD/state.2
	mkdir n1 n2
	ln -s n1 link
	for twice in n1 link ./n2/../n1; do
		run "$MRMR" init --key-file key.2 n1 n2 $twice
		[ "$status" -eq 2 ]
		[[ "$output" == *"was given twice"* ]]
		[ -z "$(find n1 n2 -type f)" ]
	done
	[ ! -e key.2 ]
	"$MRMR" init --key-file key.2 n1 n2
}

@test "an init that cannot write its config takes everything back" {
	export MRMR_CONFIG_DIR=$PWD/config.2 MRMR_STATE_DIR=$PWD/state.2
	mkdir n1 n2
	touch config.2
	run "$MRMR" init --key-file key.2 n1 n2
	[ "$status" -eq 1 ]
	[ -z "$(find n1 n2 -type f)" ]
	[ ! -e key.2 ]
	rm config.2
	"$MRMR" init --key-file key.2 n1 n2
	run "$MRMR" init --key-file key.3 n1 n2
	[ "$status" -eq 1 ]
	rm -r config.2
	run "$MRMR" init --key-file key.3 n1 n2
	[ "$status" -eq 1 ]
	[[ "${lines[0]}" == *"already marked as a drive" ]]
	[[ "${lines[1]}" == *'`mrmr recover URL...`'* ]]
	MRMR_KEY_FILE=$PWD/key.2 "$MRMR" recover n1 n2
}

# ---- old copies ----

roll_back() { # number of the drive
	rm -rf "d$1"
	cp -a "old$1" "d$1"
}

@test "a drive restored from an old copy is left out, then brought up to date by scrub" {
	cp -a d2 old2
	for i in 1 2 3 4 5 6 7 8 9 10; do
		more $i
	done
	roll_back 2
	everyone_minds d2 "ROLLBACK: it once held journal number "
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	more last
	rm -r d1
	restores latest in
}

@test "whichever drives are restored from old copies: scrub, and the next put, make it whole" {
	mkdir d4 d5
	"$MRMR" add d4 2>/dev/null
	"$MRMR" add d5 2>/dev/null
	head -c 150000 /dev/urandom >in/second
	"$MRMR" -q put in
	cp -a in in.1
	for d in 1 2 3 4 5; do
		cp -a d$d old$d
	done
	more a
	for d in 1 2 3 4 5; do
		cp -a d$d new$d
	done
	cp -a state state.new
	cases=0
	for ((set = 1; set < 32; set++)); do
		put_state_back state.new
		for d in 1 2 3 4 5; do
			rm -rf d$d
			if ((set >> (d - 1) & 1)); then cp -a old$d d$d; else cp -a new$d d$d; fi
		done
		[ $((set % 2)) -eq 0 ] || rm state/*/table.sqlite*
		echo "set $set"
		run "$MRMR" put in
		[ "$status" -eq 26 ]
		[[ "$output" == *ROLLBACK* ]]
		restores latest~1 in.1 || [ $((set & (set - 1))) -ne 0 ]
		run "$MRMR" scrub
		[ "$status" -eq 23 ] || [ "$status" -eq 22 ]
		"$MRMR" -q put in
		restores latest in
		restores latest~2 in.1
		cases=$((cases + 1))
	done
	echo "# $cases sets of 5 drives restored from old copies" >&3
}

@test "a whole array restored from old copies is found out by the head that put printed" {
	for d in 1 2 3; do
		cp -a d$d old$d
	done
	head=$("$MRMR" put in | sed -n 's/^head //p')
	"$MRMR" --expect-head "$head" ls latest
	for d in 1 2 3; do
		roll_back $d
	done
	rm -r state
	for command in "ls latest" "put in"; do
		run "$MRMR" --expect-head "$head" $command
		[ "$status" -eq 26 ]
		[[ "$output" == *"does not contain head $head"* ]]
	done
}

# ---- forks ----

# One writer signs the same numbers twice, since its state folder is put back while the drives that
# took the first ones are away. in.a and in.b are what the two histories stored.
fork() {
	cp -a state backup
	mv d1 away1
	more a
	mv in in.a
	cp -a state state.a
	put_state_back backup
	mv d2 away2
	mv d3 away3
	mv away1 d1
	cp -a in.a in
	rm in/a
	run "$MRMR" -q put in # so that both have as many segments
	head -c 60000 /dev/urandom >in/b
	run "$MRMR" -q put in
	[ "$status" -eq 20 ]
	cp -a in in.b
	mv away2 d2
	mv away3 d3
}

both_are_there() {
	local id found=
	for id in $("$MRMR" --json snapshots 2>/dev/null | jq -r 'select(.message_type == "snapshot") | .id'); do
		rm -rf out
		"$MRMR" -q get "$id" --to out
		! diff -r in.a "out$PWD/in" >/dev/null || found+=a
		! diff -r in.b "out$PWD/in" >/dev/null || found+=b
	done
	[[ "$found" == *a* ]]
	[[ "$found" == *b* ]]
}

@test "a fork is named by every command, and ended by scrub: both histories are kept" {
	fork
	everyone_minds FORK "writer "
	run "$MRMR" scrub --no-repair
	[ "$status" -eq 0 ]
	[[ "$output" == *FORK* ]]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ "$output" == *"the fork is ended"* ]]
	[ -n "$(find d?/.mrmr/quarantine -name '*-journal-*')" ]
	both_are_there
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ "$output" != *FORK* ]]
	"$MRMR" put in
	"$MRMR" rebuild
	run "$MRMR" status
	[ "$status" -eq 0 ]
	rm -r state
	both_are_there
	rm -r d2
	both_are_there
}

@test "after a fork was ended, its other half is told so and goes on as a new writer" {
	fork
	cp -a state state.b
	"$MRMR" scrub
	cp -a state state.ended
	for other in state.a state.b; do
		put_state_back $other
		run "$MRMR" put in
		echo "$other: $status: $output"
		if [ "$status" -ne 0 ]; then
			[ "$status" -eq 26 ]
			[[ "$output" == *FORK* ]]
			"$MRMR" scrub
			"$MRMR" put in
		fi
		both_are_there
	done
	put_state_back state.ended
	run --separate-stderr "$MRMR" put in
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	both_are_there
	rm -r state
	"$MRMR" put in
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "of a shorter history, compacted, a fork keeps every snapshot, the new drive and the new key" {
	cp -a state backup
	mkdir d4
	mv d1 away1
	"$MRMR" add d4 2>/dev/null
	"$MRMR" key add --key-file key2 2>/dev/null
	for i in 1 2 3 4 5 6 7 8 9; do
		more a$i
	done
	[ -n "$(find d2/.mrmr/journal -name '1-*' ! -name '1-1-*')" ]
	mv in in.a
	rm -r backup/*/table.sqlite*
	put_state_back backup
	mv d2 d3 d4 home/
	mv away1 d1
	cp -a in.a in
	rm in/a?
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		more b$i || true
	done
	cp -a in in.b
	mv home/d2 home/d3 home/d4 .
	run "$MRMR" put in
	[ "$status" -eq 26 ]
	[[ "$output" == *FORK* ]]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	both_are_there
	[ "$("$MRMR" snapshots | wc -l)" -eq 22 ]
	run "$MRMR" drives
	[[ "$output" == *"d4  optimal"* ]]
	[ "$(MRMR_KEY_FILE=$PWD/key2 "$MRMR" cat "latest:${PWD:1}/in/letter")" = "the only copy" ]
	"$MRMR" rebuild
	run "$MRMR" status
	[ "$status" -eq 0 ]
	rm -r state d3
	both_are_there
}
