# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

# What a snapshot holds: snapshots, ls, cat, whereis.
setup() {
	fresh_home
	array_of_three
	mkdir -p in/sub
	echo "the only copy" >in/letter
	head -c 3000000 /dev/urandom >in/noise
	echo deep >in/sub/deep
	"$MRMR" put --tag one --tag two in >first
}

@test "snapshots lists what was put, oldest first, with an id that can be used" {
	"$MRMR" put --series work in/sub
	run "$MRMR" snapshots
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 2 ]
	[[ "${lines[0]}" == *"$(hostname)"*" 3 files "*" one,two "*"$PWD/in" ]]
	[[ "${lines[1]}" == *" 1 file "*" work" ]]
	short=${lines[0]%% *}
	[ "${#short}" -eq 8 ]
	[[ "$(tail -n 1 first)" == "snapshot $short"*" saved" ]]
	run "$MRMR" cat "$short:$PWD/in/letter"
	[ "$output" = "the only copy" ]
}

@test "snapshots of an empty array is nothing, and no error" {
	rm -r d1 d2 d3 config state key
	array_of_three
	run "$MRMR" snapshots
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	run --separate-stderr "$MRMR" ls latest
	[ "$status" -eq 1 ]
	[ "${stderr_lines[0]}" = "mrmr: snapshot latest: there is none" ]
}

@test "snapshots as JSON has every field" {
	run "$MRMR" --json snapshots
	[ "$(jq -r .message_type <<<"$output")" = snapshot ]
	[ "$(jq -r .id <<<"$output")" = "$(sed -n 's/snapshot \(.*\) saved/\1/p' first)" ]
	[ "$(jq -r .host <<<"$output")" = "$(hostname)" ]
	[ "$(jq -r '.tags | join(" ")' <<<"$output")" = "one two" ]
	[ "$(jq -r '.paths | join(" ")' <<<"$output")" = "$PWD/in" ]
	[ "$(jq -r '.files' <<<"$output")" = 3 ]
	[ "$(jq -r '.bytes' <<<"$output")" = 3000019 ]
	[ "$(jq -r '.time | fromdate | type' <<<"$output")" = number ]
}

@test "filters choose among snapshots, for the list and for latest" {
	echo other >in/letter
	"$MRMR" put --host elsewhere in
	echo third >in/letter
	"$MRMR" put --series work --tag two in
	[ "$("$MRMR" cat "latest:in/letter")" = third ]
	[ "$("$MRMR" cat "latest~1:in/letter")" = "the only copy" ]
	[ "$("$MRMR" cat --host elsewhere "latest:in/letter")" = other ]
	[ "$("$MRMR" cat --tag one --tag two "latest:in/letter")" = "the only copy" ]
	[ "$("$MRMR" snapshots --series work | wc -l)" -eq 1 ]
	[ "$("$MRMR" snapshots --tag two | wc -l)" -eq 2 ]
	[ "$("$MRMR" snapshots --before -1h | wc -l)" -eq 0 ]
	run "$MRMR" ls --host nobody latest
	[ "$status" -eq 1 ]
}

@test "latest is the newest of the array for a host that put nothing" {
	"$MRMR" put --host elsewhere --series theirs in/sub
	"$MRMR" put --host afar --series too in/letter
	[ "$("$MRMR" --json ls -R latest:/ | jq -r .path | tail -n 1)" = "$PWD/in/sub/deep" ]
	rm -r d1 d2 d3 config state key
	array_of_three
	"$MRMR" put --host elsewhere in/sub
	"$MRMR" put --host afar in/letter
	[ "$("$MRMR" --json ls -R latest:/ | jq -r .path | tail -n 1)" = "$PWD/in/letter" ]
}

@test "ls shows a folder, with -R all below, in the order of paths" {
	run "$MRMR" ls "latest:$PWD/in"
	[ "$output" = "$PWD/in/letter
$PWD/in/noise
$PWD/in/sub" ]
	run "$MRMR" ls -R "latest:$PWD/in"
	[ "${lines[3]}" = "$PWD/in/sub/deep" ]
	run "$MRMR" ls -R latest
	[ "${lines[0]}" = "/${PWD:1:$(expr index "${PWD:1}" / - 1)}" ]
	[ "${lines[-1]}" = "$PWD/in/sub/deep" ]
	run "$MRMR" ls "latest:$PWD/in/letter"
	[ "$output" = "$PWD/in/letter" ]
}

@test "ls -l tells mode, owner, size, time and target" {
	ln -s ../target in/link
	chmod 4750 in/letter
	chmod 1777 in/sub
	touch -d '2001-02-03 04:05:06' in/letter
	"$MRMR" put in
	run "$MRMR" ls -l latest:in
	[[ "${lines[0]}" == "-rwsr-x---  "*"$(id -u) "*"$(id -g) "*" 14 2001-02-03 04:05:06 $PWD/in/letter" ]]
	[[ "${lines[1]}" == "lrwxrwxrwx "*" $PWD/in/link -> ../target" ]]
	[[ "${lines[3]}" == "drwxrwxrwt "*" $PWD/in/sub" ]]
}

@test "ls as JSON has exact names and times" {
	name=$(printf 'new\nline\377')
	printf x >"in/$name"
	touch -d '2001-02-03 04:05:06.123456789Z' "in/$name"
	"$MRMR" put in
	run "$MRMR" ls latest:in
	[ "${lines[1]}" = "$PWD/in/new\\012line\\377" ]
	"$MRMR" --json ls latest:in | grep path_b64 >node
	[ "$(jq -r .path_b64 node | base64 -d)" = "$PWD/in/$name" ]
	grep -q '"mtime":"2001-02-03T04:05:06Z","mtime_ns":981173106123456789,' node
	[ "$(jq -r '.type, .size, .mode' node | tr '\n' ' ')" = "file 1 $((0$(stat -c %a "in/$name"))) " ]
}

@test "ls of what is not there: exit 1 and its name" {
	run "$MRMR" ls latest:/nowhere
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "mrmr: /nowhere: no such file or folder in the snapshot" ]
}

@test "ls stops when its reader goes away" {
	run bash -c '"$MRMR" ls -R latest 2>&1 >&3 3>&- | cat; exit ${PIPESTATUS[0]}' 3> >(:)
	[ "$output" = "" ]
}

@test "cat prints the very bytes, holes as zeros" {
	truncate -s 5M in/sparse
	printf end >>in/sparse
	"$MRMR" put in
	rm -r state/*/table.sqlite
	"$MRMR" cat latest:in/noise | cmp - in/noise
	"$MRMR" cat latest:in/sparse | cmp - in/sparse
	: >in/empty
	"$MRMR" put in
	run "$MRMR" cat latest:in/empty
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
}

@test "cat of what is no file: exit 2 and what it is" {
	ln -s letter in/link
	"$MRMR" put in
	run "$MRMR" cat latest:in/sub
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: $PWD/in/sub is a folder, not a file" ]
	run "$MRMR" cat latest:in/link
	[ "${lines[0]}" = "mrmr: $PWD/in/link is a symbolic link, not a file" ]
	run "$MRMR" cat latest
	[ "${lines[0]}" = "mrmr: / is a folder, not a file" ]
}

@test "cat reads around one lost drive, and names what two lost ones take: exit 21" {
	mv d1 away1
	run --separate-stderr bash -c '"$MRMR" cat latest:in/noise | cmp - in/noise'
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"drive d1 is left out: absent"* ]]
	mv d2 away2
	run --separate-stderr "$MRMR" cat latest:in/noise
	[ "$status" -eq 21 ]
	[[ "$stderr" == *"mrmr: $PWD/in/noise: bytes "*" cannot be read: "* ]]
	[[ "${stderr_lines[-1]}" == *"mrmr get --partial"* ]]
}

@test "whereis names the blocks of a file, their drives, and the parity" {
	run "$MRMR" --json whereis latest:in/noise
	[ "$status" -eq 0 ]
	drives=$(jq -r 'select(.message_type == "block") | .drive, .groups[].rows[].drive' <<<"$output")
	[ "$(sort -u <<<"$drives" | tr '\n' ' ')" = "d1 d2 d3 " ]
	[ "$(jq -r 'select(.message_type == "block") | .file_bytes' <<<"$output" |
		awk '{ n += $1 } END { print n }')" = 3000000 ]
	while read -r drive block; do
		[ -e "$drive/.mrmr/blocks/${block:0:2}/$block.blob" ]
	done < <(jq -r 'select(.message_type == "block") | "\(.drive) \(.block)"' <<<"$output")
	while read -r drive row; do
		[ -e "$drive/.mrmr/parity/${row:0:2}/$row.blob" ]
	done < <(jq -r '.groups[]?.rows[] | "\(.drive) \(.parity)"' <<<"$output")
	run "$MRMR" whereis latest:in/noise
	[ "${lines[-1]}" = "It can be read, and survives the loss of any 1 more drive." ]
}

@test "whereis tells what absent drives mean for a file" {
	mv d1 away1
	run "$MRMR" whereis latest:in/noise
	[ "$status" -eq 0 ]
	[[ "$output" == *"d1 (absent)"* ]]
	[ "${lines[-1]}" = "It can be read, but the loss of one more drive may take it." ]
	mv d2 away2
	run "$MRMR" whereis latest:in/noise
	[ "${lines[-1]}" = "With the drives at hand it cannot be read." ]
}

@test "whereis of a small file points to the journals of all drives" {
	echo tiny >in/tiny
	"$MRMR" put in
	run "$MRMR" whereis latest:in/tiny
	[[ "${lines[1]}" == "journal"*"(all)"*"5 B"* ]]
	[ "${lines[-1]}" = "It can be read, and survives the loss of any 2 more drives." ]
	: >in/empty
	"$MRMR" put in
	run "$MRMR" whereis latest:in/empty
	[ "$output" = "It has no data: the journals on all drives tell everything." ]
}
