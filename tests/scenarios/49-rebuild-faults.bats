# Rebuilding onto a bucket, or from one, while the network and its server do what they do.

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export AT=$BATS_FILE_TMPDIR/server RULES=$BATS_FILE_TMPDIR/rules
	start_server radosgw "$AT"
	[ -z "$MISSING" ] || return 0
	export THROUGH=$((PORT + 20))
	: >"$RULES"
	python3 "$servers/proxy.py" --http --rules "$RULES" --port "$THROUGH" \
		--log "$BATS_FILE_TMPDIR/log" "$PORT" >/dev/null 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/proxy"
	until answers "$THROUGH"; do sleep 0.05; done
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/proxy" ] || kill "$(cat "$BATS_FILE_TMPDIR/proxy")"
	"$servers/radosgw.sh" stop "$AT"
}

setup() {
	fresh_home
	needs_server
	s3_login
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	url=s3+http://127.0.0.1:$THROUGH/bucket$BATS_TEST_NUMBER
	mkdir d1 d2 d3 in away
	head -c 900000 /dev/urandom >in/a
	echo letter >in/b
	rules
}

teardown() {
	[ -n "$MISSING" ] || rules
}

rules() { # RULE...
	printf '%s\n' "$@" >"$RULES.new"
	mv "$RULES.new" "$RULES"
	: >"$BATS_FILE_TMPDIR/log"
}

acted() { # count
	[ "$(wc -l <"$BATS_FILE_TMPDIR/log")" -ge "$1" ]
}

array() {
	"$MRMR" init --key-file key --block-size 64K --mkdir --parity 1 "$@"
}

# All is well, and each of these folders may be lost.
whole_without() { # folder...
	local folder
	run "$MRMR" scrub
	echo "$output"
	[ "$status" -eq 0 ]
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	for folder in "$@"; do
		mv "$folder" away
		rm -rf out state/*/table.sqlite*
		"$MRMR" get latest --to out
		rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/" >differences
		run ! grep . differences
		mv "away/$folder" .
	done
}

@test "onto a bucket whose server stumbles: it takes longer, and all is there" {
	array d1 d2 d3
	"$MRMR" put in
	rm -r d3
	rules 'PUT \.blob status 503 n=1-2' 'PUT \.blob lost n=4' 'PUT \.blob half 3000 n=6' \
		'GET \.blob status 500 n=2' 'PUT \.blob twice n=8'
	run "$MRMR" rebuild d3 --onto "cloud=$url" --mkdir
	echo "$output"
	[ "$status" -eq 0 ]
	acted 6
	rules
	whole_without d1 d2
}

# rule, what the server says by it
ends_at() {
	array d1 d2 d3
	"$MRMR" put in
	rm -r d3
	rules "$1"
	run "$MRMR" rebuild d3 --onto "cloud=$url" --mkdir
	echo "$output"
	[ "$status" -eq 24 ]
	[ "$(grep -c '^mrmr: the new drive fails: drive cloud: put .*: '"$2" <<<"$output")" -eq 1 ]
	acted 2
	rules
	run "$MRMR" rebuild d3 --onto "cloud=$url"
	echo "$output"
	[ "$status" -eq 0 ]
	whole_without d1 d2
}

@test "onto a bucket that takes nothing any more: exit 24, nothing is lost, and the same command goes on" {
	ends_at 'PUT \.blob status 503 n=4-' 'the server answers 503'
}

@test "onto a bucket that is gone half-way: exit 24, no group is passed over, and the same command goes on" {
	ends_at 'PUT \.blob status 404 n=4- body=<Error><Code>NoSuchBucket</Code></Error>' NoSuchBucket
}

@test "from a bucket whose answers break off or have wrong bits: they are asked for again" {
	array d1 d2 "cloud=$url"
	"$MRMR" put in
	rm -r d2
	# No object is hit by two of the first: what is wrong is read twice.
	rules 'GET blocks/.*\.blob short 100 n=2' 'GET parity/.*\.blob flip 90 n=1' \
		'GET \.blob cut 200 n=6' 'GET \.blob status 503 n=7'
	run "$MRMR" rebuild d2 --onto "d3=$PWD/d3"
	echo "$output"
	[ "$status" -eq 0 ]
	acted 3
	rules
	whole_without d1 d3
}

# A rebuild that has to read from the bucket while the rule holds says 21; without it, it goes on.
waits_for_end_of() { # rule
	array d1 d2 "cloud=$url"
	"$MRMR" put in
	rm -r d2
	rules "$1"
	run "$MRMR" rebuild d2 --onto "d3=$PWD/d3"
	echo "$output"
	[ "$status" -eq 21 ]
	acted 1
	rules
	run "$MRMR" rebuild d2 --onto "d3=$PWD/d3"
	echo "$output"
	[ "$status" -eq 0 ]
	whole_without d1 d3
}

@test "from a bucket that gives wrong bytes for a while: exit 21, nothing is declared lost, and it goes on" {
	waits_for_end_of 'GET \.blob flip 90'
}

@test "from a bucket that refuses to be read: exit 21, nothing is lost, and the same command goes on" {
	waits_for_end_of 'GET \.blob status 403 body=<Error><Code>AccessDenied</Code></Error>'
}
