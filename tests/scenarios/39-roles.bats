# Drives that are unplugged now and then, and drives for data or for parity alone.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir in away
}

noise() { # name bytes
	head -c "$2" /dev/urandom >"in/$1"
}

init() { # option... drive...
	local drive
	for drive in "$@"; do
		[[ "$drive" == [a-z][0-9] ]] || continue
		mkdir "$drive"
	done
	"$MRMR" init --key-file key --block-size 64K "$@"
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out
	run rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/"
	[ "$output" = "" ]
}

without() { # drive...
	mv "$@" away
	compare
	(cd away && mv -- "$@" ..)
}

status_json() { # filter
	"$MRMR" --json status 2>/dev/null | jq -r "select(.message_type == \"status\") | $1"
}

of_drive() { # drive field
	status_json ".drives[] | select(.name == \"$1\") | .$2"
}

no_rows_on() { # drive...
	run find "$@" -path '*/parity/*' -name '*.blob'
	[ "$output" = "" ]
}

optimal() {
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"state:    optimal"* ]]
}

# ---- removable ----

@test "all removable drives may be unplugged at once; status tells what holds now and once they are back" {
	init --parity 1 d1 d2 d3
	mkdir u1 u2
	"$MRMR" add --removable u1
	"$MRMR" add --removable u2
	noise 1 1500000
	"$MRMR" put in
	no_rows_on u1 u2
	# They are used, both.
	[ "$(find u1 -path '*/blocks/*' -name '*.blob' | wc -l)" -gt 0 ]
	[ "$(find u2 -path '*/blocks/*' -name '*.blob' | wc -l)" -gt 0 ]
	optimal
	without u1 u2
	mv u1 away
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    degraded"* ]]
	[[ "$output" == *"u1 is absent: removable: "* ]]
	[[ "$output" == *"Everything can be read, but the loss of one more drive would lose data."* ]]
	[[ "$output" == *"Once u1 is back, the loss of any 1 drive would lose nothing."* ]]
	[[ "$output" == *"Attach u1 again when you like; "* ]]
	[ "$(status_json '[.spare, .promise_kept, .spare_attached, .promise_kept_attached] | join(" ")')" \
		= "0 true 1 true" ]
	[ "$(of_drive u1 removable)" = true ]
	noise 2 300000
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	compare
	mv u2 away
	noise 3 300000
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	compare
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"Once u1 and u2 are back, the loss of any 1 drive would lose nothing."* ]]
	[ "$(status_json '[.promise_kept, .promise_kept_attached] | join(" ")')" = "false true" ]
	# Meanwhile somebody else writes on one of them.
	damaged=$(find away/u1 -path '*/blocks/*' -name '*.blob' | head -n 1)
	truncate -s -1 "$damaged"
	mv away/u1 away/u2 .
	[ "$(of_drive u1 state)" = stale ]
	run "$MRMR" put in
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"drive u1 was away: 1 object missing or damaged there, 0 put back: "* ]]
	[ "$(of_drive u1 state)" = degraded ]
	"$MRMR" enable u1
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	optimal
	no_rows_on u1 u2
	for drive in d1 d2 d3 u1 u2; do
		without "$drive"
	done
	without u1 u2
}

@test "what only an unplugged drive has is told, and that it can be read once the drive is back" {
	init --parity 0 d1 d2
	mkdir u1
	"$MRMR" add --removable u1
	noise 1 400000
	"$MRMR" put in
	mv u1 away
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    failed"* ]]
	[[ "$output" == *" of data cannot be read with the drives at hand; everything else can."* ]]
	[[ "$output" == *" of it can be read again once u1 is back."* ]]
	[[ "$output" == *"Once u1 is back, everything can be read, but the loss of one more drive would lose data."* ]]
	[[ "$output" == *"Bring u1 back: what cannot be read may be there."* ]]
	[ "$(of_drive u1 bytes_needed)" -gt 50000 ]
	[ "$(of_drive d1 bytes_needed)" -eq 0 ]
	[ "$(status_json '[.bytes_lost > 50000, .bytes_lost_attached] | join(" ")')" = "true 0" ]
	mv away/u1 .
	optimal
	compare
}

# ---- roles ----

# Puts until an array is full: then there is no more than a block per drive between what it holds and
# what it could hold by the sizes alone.
fill() { # drives
	local bound stored code=0 i
	bound=$(status_json .capacity_bytes)
	for ((i = 1; i < 60; i++)); do
		noise "$i" 150000
		"$MRMR" put in >said 2>&1 || code=$?
		[ "$code" -eq 0 ] || break
	done
	cat said
	[ "$code" -eq 25 ]
	rm "in/$i"
	stored=$(status_json '.stored_bytes - .parity_bytes')
	echo "$stored of $bound bytes"
	[ $((stored + $1 * 65536 + 150000)) -ge "$bound" ]
	[ "$stored" -le "$bound" ]
}

only_rows_on() { # drive...
	run find "$@" -path '*/blocks/*' -name '*.blob'
	[ "$output" = "" ]
}

@test "two small parity drives serve under one large data drive: full to the bound, any one may be lost" {
	init --parity 1 d1 p1 p2
	"$MRMR" set d1.max=1500K d1.reserve=16K p1.max=800K p1.reserve=16K p2.max=800K p2.reserve=16K \
		d1.role=data p1.role=parity p2.role=parity
	fill 3
	no_rows_on d1
	only_rows_on p1 p2
	"$MRMR" put in
	for drive in d1 p1 p2; do
		without "$drive"
	done
}

@test "redundancy concentrated on two parity drives: full to the bound, any two of five may be lost" {
	init --parity 2 d1 d2 d3 p1 p2
	"$MRMR" set d1.role=data d2.role=data d3.role=data p1.role=parity p2.role=parity
	for drive in d1 d2 d3 p1 p2; do
		"$MRMR" set $drive.max=700K $drive.reserve=16K
	done
	fill 5
	only_rows_on p1 p2
	no_rows_on d1 d2 d3
	"$MRMR" put in
	for first in d1 d2 d3 p1; do
		for second in d2 d3 p1 p2; do
			[[ "$first" < "$second" ]] || continue
			without "$first" "$second"
		done
	done
}
