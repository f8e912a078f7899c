# An array found again without its config: from the journals, or from the blocks alone.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in in/folder
	seq 1 40000 >in/numbers
	head -c 200000 /dev/urandom >in/folder/noise
	ln -s numbers in/link
	setfattr -n user.colour -v blue in/numbers || true
}

make_array() {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4 >said
	export MRMR_KEY_FILE=$PWD/key
}

forget_this_host() {
	rm -rf config state
}

# The newest snapshot is the same as the folder "in".
compare() {
	rm -rf out
	"$MRMR" get latest --to out
	run rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/"
	[ "$output" = "" ]
}

@test "any n - m drives bring back the config, the names and every file" {
	make_array
	"$MRMR" put in
	for lost in d1 d2 d3 d4; do
		forget_this_host
		mv "$lost" away
		set -- d?
		"$MRMR" recover "$@"
		compare
		mv away "$lost"
	done
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[[ "$output" == *optimal* ]]
}

# Takes away every m of the drives in turn: every_loss 2 d1 d2 d3. Calls "check" with the rest here.
every_loss() {
	local m=$1 first
	shift
	if [ "$m" -eq 0 ]; then
		check
		return
	fi
	while [ $# -ge "$m" ]; do
		first=$1
		shift
		mv "$first" "away-$first"
		every_loss $((m - 1)) "$@"
		mv "away-$first" "$first"
	done
}

@test "every 5 of 7 drives bring back every file" {
	mkdir d5 d6 d7
	"$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 d5 d6 d7 >said
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	check() {
		forget_this_host
		set -- d?
		[ $# -eq 5 ]
		"$MRMR" recover "$@"
		compare
		echo once >>losses
	}
	every_loss 2 d1 d2 d3 d4 d5 d6 d7
	[ "$(wc -l <losses)" -eq 21 ]
}

@test "a drive that was declared lost is named and left out" {
	make_array
	"$MRMR" put in
	mv d4 away
	"$MRMR" rebuild d4
	mv away d4
	forget_this_host
	run "$MRMR" recover d1 d2 d3 d4
	[ "$status" -eq 0 ]
	[[ "$output" == *"d4 is left out"*lost* ]]
	run grep -c "/d4\"" config/default.json
	[ "$output" -eq 0 ]
	compare
}

@test "no program is run because a journal names it" {
	local folder="$BATS_TEST_DIRNAME/../servers/exec_folder.py"
	make_array
	"$MRMR" add "p=exec:$folder $PWD/p" --mkdir
	"$MRMR" put in
	cp key k1
	for program in "" "exec:$folder $PWD/p"; do
		forget_this_host
		MRMR_KEY_FILE=$PWD/k1 "$MRMR" recover d1 d2 ${program:+"$program"} 2>err.txt
		cat err.txt
		if [ -z "$program" ]; then
			grep 'drive p is left out: to reach it a program is run' err.txt
			run grep exec_folder config/default.json
			[ "$status" -eq 1 ]
		else
			run grep 'drive p is left out' err.txt
			[ "$status" -eq 1 ]
			grep exec_folder config/default.json
		fi
		MRMR_KEY_FILE=$PWD/k1 compare
	done
}

@test "with fewer drives than it takes, recover says so and works" {
	make_array
	"$MRMR" put in
	forget_this_host
	mv d3 d4 "$BATS_TEST_TMPDIR/home/"
	run "$MRMR" recover d1 d2
	[ "$status" -eq 0 ]
	[[ "$output" == *"cannot be read"* ]]
	run "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	mv home/d3 home/d4 .
	compare
}

@test "the passphrase opens a recovered array" {
	"$MRMR" init --parity 1 d1 d2 d3 d4
	"$MRMR" put in
	forget_this_host
	"$MRMR" recover d2 d3 d4
	compare
}

@test "the recovery key opens a recovered array" {
	"$MRMR" init --parity 1 d1 d2 d3 d4 >said
	"$MRMR" put in
	forget_this_host
	MRMR_PASSPHRASE=$(sed -n 's/^recovery key: //p' said)
	export MRMR_PASSPHRASE
	"$MRMR" recover d1 d2 d4
	compare
}

@test "a wrong passphrase recovers nothing and leaves no config" {
	"$MRMR" init --parity 1 d1 d2 d3 d4
	forget_this_host
	MRMR_PASSPHRASE=wrong run "$MRMR" recover d1 d2 d3
	[ "$status" -eq 12 ]
	[ ! -e config/default.json ]
}

@test "an existing config is never overwritten" {
	make_array
	cp config/default.json before
	run "$MRMR" recover d1 d2 d3 d4
	[ "$status" -eq 1 ]
	cmp before config/default.json
}

@test "drives of two arrays are refused and named" {
	make_array
	mkdir e1 e2
	unset MRMR_KEY_FILE
	"$MRMR" -a other init --key-file other e1 e2
	forget_this_host
	MRMR_KEY_FILE=$PWD/key run "$MRMR" recover d1 e1
	[ "$status" -eq 26 ]
	[[ "$output" == *d1*e1* ]]
}

@test "a place without a drive is an error and leaves no config" {
	make_array
	forget_this_host
	mkdir empty
	run "$MRMR" recover empty
	[ "$status" -ne 0 ]
	[ ! -e config/default.json ]
}

@test "-n tells and writes no config" {
	make_array
	forget_this_host
	run "$MRMR" recover -n d1 d2 d3 d4
	[ "$status" -eq 0 ]
	[ ! -e config/default.json ]
}

@test "--scan refuses while journals are there" {
	make_array
	"$MRMR" put in
	forget_this_host
	run "$MRMR" recover --scan d1 d2 d3 d4
	[ "$status" -eq 1 ]
	[ ! -e config/default.json ]
}

@test "with every journal gone, the blocks alone bring back every snapshot" {
	make_array
	"$MRMR" put in
	cp -a in first
	echo changed >>in/numbers
	rm in/link
	mkdir in/new
	head -c 90000 /dev/urandom >in/new/file
	"$MRMR" put in
	forget_this_host
	rm -r d?/.mrmr/journal
	"$MRMR" recover --scan d1 d2 d3 d4
	compare
	rm -rf out
	"$MRMR" get latest~1 --to out
	run rsync -aAXHcn --delete --itemize-changes first/ "out$PWD/in/"
	[ "$output" = "" ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	"$MRMR" put in
	compare
}

@test "a small put that went into the journal only is saved by the next one that makes blocks" {
	make_array
	"$MRMR" put in
	echo little >in/little
	"$MRMR" put in
	head -c 90000 /dev/urandom >in/large
	"$MRMR" put in
	forget_this_host
	rm -r d?/.mrmr/journal
	"$MRMR" recover --scan d1 d2 d3 d4
	compare
	run "$MRMR" snapshots
	[ "${#lines[@]}" -ge 3 ]
}

@test "--scan makes again what a lost drive held" {
	make_array
	"$MRMR" put in
	for lost in d1 d2 d3 d4; do
		cp -a "$lost" kept
		forget_this_host
		rm -rf d?/.mrmr/journal "$lost"
		set -- d?
		"$MRMR" recover --scan "$@"
		compare
		mv kept "$lost"
		rm -rf "$lost/.mrmr/journal"
	done
}

@test "--scan ends in an array that scrub finds whole and put adds to" {
	make_array
	"$MRMR" put in
	rm -r in/folder
	head -c 300000 /dev/urandom >in/fresh
	"$MRMR" put in
	forget_this_host
	rm -rf d?/.mrmr/journal d2
	"$MRMR" recover --scan d1 d3 d4
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	head -c 300000 /dev/urandom >in/more
	"$MRMR" put in
	forget_this_host
	"$MRMR" recover d1 d4
	compare
}

@test "--scan with parity 2 and two drives lost brings back every file" {
	mkdir d5
	"$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 d5 >said
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	mv d? home
	for pair in "d1 d2" "d1 d5" "d2 d4" "d3 d5"; do
		cp -a home/d? .
		for gone in $pair; do
			rm -r "$gone"
		done
		forget_this_host
		rm -rf d?/.mrmr/journal
		set -- d?
		"$MRMR" recover --scan "$@"
		compare
		rm -r d?
	done
}

@test "--scan does without journals that are damaged beyond use" {
	make_array
	"$MRMR" put in
	forget_this_host
	find d?/.mrmr/journal -type f -exec truncate -s 100 {} +
	"$MRMR" recover --scan d1 d2 d3 d4
	compare
}

# Killed between its last commit and the config, it has made a journal: then recover is what is left.
@test "--scan killed at any moment succeeds when run again" {
	make_array
	"$MRMR" put in
	forget_this_host
	rm -r d?/.mrmr/journal
	mv d? home
	for seconds in 0.005 0.010 0.014 0.016 0.018 0.020 0.023 0.026 0.030 0.040; do
		forget_this_host
		rm -rf d?
		cp -a home/d? .
		timeout -s KILL "$seconds" "$MRMR" recover --scan d1 d2 d3 d4 || true
		[ -e config/default.json ] || "$MRMR" recover --scan d1 d2 d3 d4 ||
			"$MRMR" recover d1 d2 d3 d4
		compare
	done
}

@test "an array found again with drives missing is rebuilt, and is whole" {
	mkdir d5 n1 n2
	"$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 d5 >said
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	forget_this_host
	rm -r d2 d5
	"$MRMR" recover d4 d1 d3
	compare
	"$MRMR" rebuild d2 --onto n1
	"$MRMR" rebuild d5 --onto n2
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 d3 home
	compare
}

@test "--scan finds what a rebuild made narrower, also when a drive that was away has rows of before" {
	mkdir d5
	head -c 900000 /dev/urandom >in/much
	"$MRMR" init --key-file key --parity 2 --width 5 --block-size 64K d1 d2 d3 d4 d5 >said
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	rm -r d1
	mv d3 home
	"$MRMR" rebuild d1
	mv home/d3 .
	forget_this_host
	rm -r d?/.mrmr/journal
	"$MRMR" recover --scan d2 d3 d4 d5
	compare
	run "$MRMR" status
	[ "$status" -eq 0 ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	mv d3 d5 home
	compare
}

@test "--scan goes round damaged blocks and rows" {
	make_array
	head -c 900000 /dev/urandom >in/much
	"$MRMR" put in
	forget_this_host
	rm -r d?/.mrmr/journal
	# Every object of one drive: one of each group.
	for object in $(find d2 -name '*.blob'); do
		printf '\377\376\375' | dd of="$object" bs=1 seek=1500 conv=notrunc status=none
	done
	"$MRMR" recover --scan d1 d2 d3 d4
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ] || [ "$status" -eq 23 ]
	for lost in d1 d2 d3 d4; do
		mv "$lost" away
		compare
		mv away "$lost"
	done
}

@test "--scan without enough drives: exit 21, what is whole comes back, get names every other file" {
	local i block
	make_array
	for ((i = 0; i < 15; i++)); do
		head -c 60000 /dev/urandom >"in/$i"
	done
	"$MRMR" put in
	# A block of a group that d2 has an object of, too.
	for i in in/?; do
		"$MRMR" --json whereis "latest:$PWD/$i"
	done >where
	block=$(jq -r 'select(.message_type == "block" and .drive != "d2") |
		select(any(.groups[] | .members[], .rows[]; .drive == "d2")) |
		"\(.drive)/.mrmr/blocks/\(.block[0:2])/\(.block).blob"' where | head -n 1)
	rm "$block"
	forget_this_host
	rm -r d?/.mrmr/journal d2
	run "$MRMR" recover --scan d1 d3 d4
	[ "$status" -eq 21 ]
	[[ "$output" == *" on none of these drives and cannot be made from the others"* ]]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    failed"*"that snapshots name cannot be found any more"* ]]
	run "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	sed -n 's|^mrmr: warning: .*/\(.*\): LOST.*|\1|p' <<<"$output" | sort >named
	diff -rq in "out$PWD/in" >differences || true
	sed -n 's|^Only in in.*: ||p' differences | sort | diff named -
	[ -s named ]
	run grep -v '^Only in in' differences
	[ "$output" = "" ]
	# The files look unchanged; what was lost of them is stored anew all the same.
	"$MRMR" put in
	compare
}
