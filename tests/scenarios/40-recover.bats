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
