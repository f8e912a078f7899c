# What scrubs found whole is remembered, in the journal: shares of an array, night by night.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	mkdir in
	head -c 1500000 /dev/urandom >in/noise
	array_of_three --parity 1 --block-size 64K
	"$MRMR" put in
}

# On all drives: what the journal places there, and what of it no scrub has verified yet.
objects() {
	find d1 d2 d3 -name '*.blob' -not -path '*/quarantine/*' | wc -l
}

never() {
	"$MRMR" status --json | jq 'select(.message_type == "status") | .never_verified_objects'
}

# How many blocks and rows the scrub with these options reads.
scrubbed() {
	local total
	total=$(objects)
	"$MRMR" scrub --json "$@" >said
	echo $((total - $(jq 'select(.message_type == "summary") | .left' said)))
}

flip() {
	printf '\x5a' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") / 3)) conv=notrunc status=none
}

@test "--percent 5 every night: in 20 nights everything once before anything twice, whichever host, though the table is lost" {
	total=$(objects)
	[ "$(never)" -eq "$total" ]
	mkdir other
	(
		export MRMR_CONFIG_DIR=$PWD/other/config MRMR_STATE_DIR=$PWD/other/state
		"$MRMR" recover d1 d2 d3
	)
	nights=0 left=$total
	while [ "$left" -gt 0 ]; do
		nights=$((nights + 1))
		if ((nights % 2)); then
			rm -rf state/*/table.sqlite*
			read -r count < <(scrubbed --percent 5)
		else
			read -r count < <(
				export MRMR_CONFIG_DIR=$PWD/other/config MRMR_STATE_DIR=$PWD/other/state
				scrubbed --percent 5
			)
		fi
		now=$(never)
		# Until the last night, none that was verified before.
		[ "$now" -eq 0 ] || [ $((left - now)) -eq "$count" ]
		[ $((left - now)) -le "$count" ]
		left=$now
	done
	[ "$nights" -gt 5 ]
	[ "$nights" -le 20 ]
	[ "$("$MRMR" status --json | jq ".verified_30d_share == 1")" = true ]
	[ "$("$MRMR" status --json | jq -r '.drives[0].last_scrub')" = null ]
	# Each night says as much, however many objects there are.
	find d1/.mrmr/journal -type f -newer in/noise -size +2 >long
	[ "$(wc -l <long)" -le 2 ]
}

@test "--new reads what came since, and what it read is not new any more" {
	total=$(objects)
	[ "$(scrubbed)" -eq "$total" ]
	[ "$(scrubbed --new)" -eq 0 ]
	head -c 200000 /dev/urandom >in/more
	"$MRMR" put in
	new=$(($(objects) - total))
	[ "$new" -gt 0 ]
	[ "$(never)" -eq "$new" ]
	rm -rf state/*/table.sqlite*
	[ "$(scrubbed --new)" -eq "$new" ]
	[ "$(scrubbed --new)" -eq 0 ]
	[ "$(never)" -eq 0 ]
}

@test "--older-than leaves out what was verified meanwhile; options go together" {
	total=$(objects)
	read -r some < <(scrubbed --percent 30)
	[ "$some" -gt 0 ]
	[ "$(scrubbed --older-than 1d)" -eq $((total - some)) ]
	[ "$(scrubbed --older-than 1d)" -eq 0 ]
	[ "$(scrubbed --older-than 1d --new --percent 50 --max-time 1h)" -eq 0 ]
	[ "$(jq 'select(.message_type == "summary") | .complete' said)" = false ]
}

@test "marks, keys and journals are verified each time; damage elsewhere waits for its turn" {
	rm d2/.mrmr/keys/ring-*
	victim=$(find d3/.mrmr/blocks -name '*.blob' | sort | tail -n 1)
	cp "$victim" kept
	flip "$victim"
	run "$MRMR" scrub --max-time 0
	[ "$status" -eq 23 ]
	[[ "$output" == *"drive d2: "*" 1 damaged, 1 repaired"* ]]
	ls d2/.mrmr/keys/ring-*
	run cmp kept "$victim"
	[ "$status" -ne 0 ]
	run "$MRMR" scrub --percent 10
	[ "$status" -eq 0 ]
	run "$MRMR" scrub --new
	[ "$status" -eq 23 ]
	cmp kept "$victim"
	[ "$(never)" -eq 0 ]
}

@test "what was not repaired comes first the next time" {
	"$MRMR" scrub
	victim=$(find d3/.mrmr/blocks -name '*.blob' | sort | tail -n 1)
	flip "$victim"
	mv d1 gone
	for share in 100 1; do
		run "$MRMR" scrub --percent $share --drive d3
		[ "$status" -eq 22 ]
		[[ "$output" == *"drive d3: "*" 1 damaged, 0 repaired"* ]]
	done
	mv gone d1
	run "$MRMR" scrub --percent 1
	[ "$status" -eq 23 ]
}

@test "without repair, and with -n, nothing is written and nothing remembered" {
	total=$(objects)
	find d1 d2 d3 -type f | sort | xargs sha256sum >before
	[ "$(scrubbed --no-repair)" -eq "$total" ]
	[ "$(scrubbed -n --deep)" -eq "$total" ]
	find d1 d2 d3 -type f | sort | xargs sha256sum >after
	cmp before after
	[ "$(never)" -eq "$total" ]
}

@test "--deep opens every block and compares every row; status tells when that was" {
	run "$MRMR" scrub --deep
	[ "$status" -eq 0 ]
	rows=$(find d1 d2 d3 -path '*/parity/*.blob' | wc -l)
	[[ "$output" == *"$rows rows compared with their members"* ]]
	run "$MRMR" status
	[[ "$output" == *"verified: 100 % within 30 days, the oldest "* ]]
	victim=$(find d3/.mrmr/blocks -name '*.blob' | sort | head -n 1)
	flip "$victim"
	run "$MRMR" scrub --deep
	[ "$status" -eq 23 ]
	[[ "$output" == *"$rows rows compared with their members"* ]]
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

@test "a share is a whole percent from 1 to 100, a time has a unit: exit 2 and nothing read" {
	for options in "--percent 0" "--percent 101" "--percent 5.5" "--percent x" "--older-than 3" \
		"--max-time soon"; do
		run --separate-stderr "$MRMR" scrub $options
		[ "$status" -eq 2 ]
		[ "$output" = "" ]
		[[ "${stderr_lines[0]}" == "mrmr: scrub: ${options% *}: "* ]]
	done
	[ "$(never)" -eq "$(objects)" ]
}

@test "whatever share is asked for, what a drive does not have any more is found" {
	"$MRMR" scrub
	mapfile -t gone < <(find d2 -name '*.blob' | sort | sed -n '2p;5p')
	rm "${gone[0]}"
	truncate -s -1 "${gone[1]}"
	run "$MRMR" scrub --new
	echo "$output"
	[ "$status" -eq 23 ]
	[[ "$output" == *"drive d2: "*", 2 damaged, 2 repaired"* ]]
	[ -s "${gone[0]}" ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}
