# Drives where reading is paid for: what can be read elsewhere is.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2 d3 d4 in
	head -c 400000 /dev/urandom >in/noise
	seq 30000 >in/numbers
}

# Every object of a drive gets a wrong byte: who reads it there tells so.
spoil() {
	find "$1/.mrmr/blocks" "$1/.mrmr/parity" -name '*.blob' | while read -r file; do
		printf '\377\377' | dd of="$file" bs=1 seek=70 conv=notrunc status=none
	done
}

@test "get reads nothing on a billed drive while the others suffice, and all of it when they do not" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 >recovery 2>&1
	run -0 "$MRMR" put in
	run -0 "$MRMR" set d3.egress-billed=yes
	run -0 "$MRMR" --json drives
	[ "$(jq -r '"\(.name) \(.egress_billed)"' <<<"$output" | xargs)" = \
		'd1 false d2 false d3 true' ]
	run -0 "$MRMR" -v drives
	[[ ${lines[2]} == "d3 "*"  reading there is paid for" ]]
	[[ ${lines[1]} != *paid* ]]
	# Needed, it is read.
	mv d1 away
	run -0 "$MRMR" get latest --to out
	diff -r in "out$PWD/in"
	mv away d1
	rm -rf out
	spoil d3
	run -0 "$MRMR" get latest --to out
	[[ $output != *damaged* ]]
	[[ $output != *'reading around'* ]]
	diff -r in "out$PWD/in"
	# Not billed, it is read, and found out.
	rm -rf out
	run -0 "$MRMR" set d3.egress-billed=no
	run -0 "$MRMR" get latest --to out
	[[ $output == *d3*'reading around'* ]]
	diff -r in "out$PWD/in"
}

@test "what is needed of a billed drive and bad there is reconstructed with the help of others that are billed" {
	"$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 >recovery 2>&1
	run -0 "$MRMR" put in
	run -0 "$MRMR" set d1.egress-billed=yes d2.egress-billed=yes d3.egress-billed=yes
	spoil d1
	run -0 "$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

@test "add --egress-billed marks a drive, which then gets parity rather than data" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	run -0 "$MRMR" add --egress-billed d3
	run -0 "$MRMR" put in
	[ -n "$(find d3/.mrmr/parity -name '*.blob')" ]
	[ "$(find d3/.mrmr/blocks -name '*.blob' | wc -l)" -lt "$(find d1/.mrmr/blocks -name '*.blob' | wc -l)" ]
	run -0 "$MRMR" --json drives
	[ "$(jq -r 'select(.egress_billed) | .name' <<<"$output")" = d3 ]
	rm -rf config state
	run -0 "$MRMR" recover d1
	run -0 "$MRMR" --json drives
	[ "$(jq -r 'select(.egress_billed) | .name' <<<"$output")" = d3 ]
	run -2 "$MRMR" set d3.egress-billed=perhaps
}
