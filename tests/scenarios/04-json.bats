# bats file_tags=serial
# --json: every line that any command prints is one object with a message_type, errors too.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 in
	name=$(printf 'not\nutf-8\377')
	seq 1 30000 >"in/$name"
	truncate -s 200K in/hole
	echo end >>in/hole
}

# Runs it with --json; every line must be an object, their types what $1 says ("drive drive summary").
speaks() {
	local want=$1
	shift
	run --separate-stderr "$MRMR" --json "$@"
	[ "$output" != "" ] || { echo "$*: nothing"; return 1; }
	jq -es 'all(type == "object" and (.message_type | type == "string"))' <<<"$output" >/dev/null ||
		{ echo "$*: $output"; return 1; }
	[ "$(jq -r .message_type <<<"$output" | grep -vx 'warning\|status' | uniq | xargs)" = "$want" ] ||
		{ echo "$*: not $want: $output"; return 1; }
	[ "$(wc -l <<<"$output")" -eq "$(jq -s length <<<"$output")" ]
}

@test "every command speaks JSON, one object per line" {
	speaks summary init -n --key-file key d1 d2 d3
	speaks summary init --key-file key --block-size 64K d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	speaks summary put in
	speaks summary put -n in
	speaks snapshot snapshots
	speaks node ls -R latest
	speaks "data summary" cat "latest:in/$name"
	speaks "block summary" whereis "latest:in/$name"
	speaks summary get latest --to out
	speaks summary get -n latest --to out
	speaks drive drives
	run "$MRMR" --json status
	[ "$(jq -r .message_type <<<"$output")" = status ]
	mkdir d4 d5
	speaks summary add -n d4
	speaks summary add d4
	speaks summary set -n d4.role=data
	speaks summary set d4.role=data
	speaks summary disable -n d2
	speaks summary disable d2
	speaks summary enable -n d2
	speaks summary enable d2
	mkdir d6
	"$MRMR" add d6
	speaks summary drain -n d6
	speaks summary drain d6
	speaks summary remove -n d6
	speaks summary remove d6
	speaks summary scrub -n
	speaks summary scrub
	speaks slot key list
	speaks summary key add -n --key-file key2
	speaks summary key add --key-file key2
	speaks "summary recovery_key summary" key recovery
	slot=$("$MRMR" --json key list | jq -r 'select(.kind == "recovery") | .id')
	speaks summary key remove -n "$slot"
	speaks summary key remove "$slot"
	rm -r d2
	speaks summary rebuild -n d2 --onto d5
	speaks summary rebuild d2 --onto d5
	speaks summary rebuild
	speaks summary rebalance -n
	speaks summary rebalance
	rm -r config state
	speaks summary recover -n d1 d3 d5
	speaks summary recover d1 d3 d5
	rm -r config state d1/.mrmr/journal d3/.mrmr/journal d4/.mrmr/journal d5/.mrmr/journal
	speaks summary recover --scan d1 d3 d4 d5
	speaks version version
	speaks command help
	speaks command help put
	speaks command help key
	speaks completion help --completion bash
}

@test "an error is an object with its exit code and the next command, wherever it comes from" {
	for line in "nonsense" "put" "get latest" "-a none status" "init" "help nonsense" "find x" \
		"--kdf-limit none status" "scrub --percent 0"; do
		run --separate-stderr "$MRMR" --json $line
		[ "$status" -ne 0 ]
		[ "$(jq -r '.message_type + " " + (.exit_code | tostring)' <<<"$output")" = "error $status" ]
		[ "$(jq -r '.message, .advice' <<<"$output" | sed '1s/^/mrmr: /')" = "$stderr" ]
	done
}

@test "cat: data and holes, without gaps, are the file" {
	"$MRMR" init --key-file key --block-size 64K d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	"$MRMR" --json cat latest:in/hole >said
	[ "$(jq -r .message_type said | xargs)" = "hole data summary" ]
	[ "$(jq -r 'select(.message_type == "summary") | .bytes' said)" -eq 204804 ]
	[ "$(jq -c 'select(.message_type == "hole") | [.offset, .length]' said)" = "[0,204800]" ]
	[ "$(jq -r 'select(.message_type == "data") | .bytes_b64' said | base64 -d)" = end ]
	"$MRMR" --json cat "latest:in/$name" >said
	jq -r 'select(.message_type == "data") | .bytes_b64' said |
		while read -r line; do base64 -d <<<"$line"; done | cmp - "in/$name"
	jq -r 'select(.message_type == "summary") | .path_b64' said | base64 -d >path
	printf %s "$PWD/in/$name" | cmp - path
}

@test "names that are not UTF-8 are given exactly, in results, warnings and errors" {
	"$MRMR" init --key-file key --block-size 64K d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	run --separate-stderr "$MRMR" --json put in "gone$name"
	[ "$status" -eq 3 ]
	jq -r 'select(.message_type == "warning") | .path_b64' <<<"$output" | base64 -d >path
	printf %s "$PWD/gone$name" | cmp - path
	"$MRMR" --json ls latest:in | jq -r 'select(.path_b64) | .path_b64' | base64 -d >path
	printf %s "$PWD/in/$name" | cmp - path
	run --separate-stderr "$MRMR" --json cat "latest:in/gone$name"
	[ "$status" -eq 1 ]
	jq -e '.message | startswith("'"$PWD"'/in/gone") or startswith("in/gone")' <<<"$output"
}

@test "a member that is printed once stays: the fields that scripts rely on" {
	"$MRMR" init --key-file key --block-size 64K d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" --json put in >said
	jq -e 'has("snapshot_id") and has("files_new") and has("files_changed") and
		has("files_unmodified") and has("bytes_read") and has("bytes_added") and
		has("bytes_stored") and has("seconds")' said
}
