# What "put" takes, leaves out and says.

load common
load tree

setup() {
	fresh_home
	array_of_three --block-size 64K
	mkdir -p in/folder/sub in/build
	for file in one a.o keep.o folder/b.o folder/sub/two build/c; do echo "$file" >"in/$file"; done
}

# Names below in, of the latest snapshot, on one line.
stored() {
	"$MRMR" --json ls -R latest:in | jq -r .path | sed "s|^$PWD/in/||" | tr '\n' ' '
}

# All bytes on the drives.
drives() {
	find d1 d2 d3 -type f -exec sha256sum {} + | sort
}

@test "-e leaves out what fits: anywhere, anchored, folders alone, and takes back" {
	"$MRMR" put -e '*.o' -e '!keep.o' in
	[ "$(stored)" = "build build/c folder folder/sub folder/sub/two keep.o one " ]
	"$MRMR" put -e build/ --exclude "$PWD/in/folder" in
	[ "$(stored)" = "a.o keep.o one " ]
	"$MRMR" put -e '**/sub/two' -e 'one/' in
	[ "$(stored)" = "a.o build build/c folder folder/b.o folder/sub keep.o one " ]
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in" --exclude two
}

@test "-e of what was asked for is said; a pattern that is none: exit 2" {
	run "$MRMR" put -e in/one in/one in/a.o
	[ "$status" -eq 0 ]
	run "$MRMR" put -e "$PWD/in/one" in/one in/a.o
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning: $PWD/in/one: asked for and excluded, not stored"* ]]
	[ "$("$MRMR" ls latest:in)" = "$PWD/in/a.o" ]
	drives >before
	run "$MRMR" put -e '[a' in
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = 'mrmr: --exclude [a: "[a": pattern ends within a [ or after a \' ]
	drives | diff before -
}

@test "--exclude-caches keeps of a cache its tag alone" {
	printf 'Signature: 8a477f597d28d172789f06886806bc55\n' >in/folder/CACHEDIR.TAG
	printf 'Signature: of another kind\n' >in/build/CACHEDIR.TAG
	"$MRMR" put --exclude-caches in
	[ "$(stored)" = "a.o build build/CACHEDIR.TAG build/c folder folder/CACHEDIR.TAG keep.o one " ]
	"$MRMR" put in
	[[ "$(stored)" == *" folder/b.o folder/sub folder/sub/two "* ]]
}

# bats test_tags=plain
@test "-x keeps to the file system of each path: what is mounted there is an empty folder" {
	unshare -m true 2>/dev/null || skip "may not mount"
	run unshare -m bash -c 'mount -t tmpfs none in/folder && echo x >in/folder/x &&
		"$MRMR" put -x in && "$MRMR" put --series all in && "$MRMR" put --series both -x in in/folder'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$("$MRMR" --json ls -R --series all latest:in/folder | jq -r .path)" = "$PWD/in/folder/x" ]
	[ "$("$MRMR" --json ls -R --series both latest:in/folder | jq -r .path)" = "$PWD/in/folder/x" ]
	"$MRMR" put in/one
	id=$("$MRMR" snapshots | head -n 1 | cut -d' ' -f1)
	[ "$("$MRMR" ls "$id:in/folder")" = "" ]
	[ "$("$MRMR" ls "$id:in" | grep -c folder)" -eq 1 ]
}

@test "--compression: 0 stores as it is, 1 and 19 take less, all come back; others: exit 2" {
	seq 1 30000 >in/numbers
	sizes=()
	for level in 0 1 19; do
		shuf in/numbers >"in/numbers$level"
		run "$MRMR" --json put --compression "$level" "in/numbers$level"
		sizes+=("$(jq -r .bytes_stored <<<"$output")")
		"$MRMR" cat "latest:in/numbers$level" | cmp - "in/numbers$level"
	done
	echo "${sizes[*]}"
	[ "${sizes[0]}" -gt $((sizes[1] * 3 / 2)) ]
	[ "${sizes[0]}" -gt $((sizes[2] * 3 / 2)) ]
	for level in 20 -1 x ''; do
		run "$MRMR" put --compression "$level" in
		[ "$status" -eq 2 ]
	done
}

@test "--series, --host and --tag are recorded; too long for it: exit 2, nothing stored" {
	"$MRMR" put --series work --host elsewhere --tag one --tag 'and two' in
	run "$MRMR" --json snapshots
	[ "$(jq -r '"\(.series) \(.host) \(.tags | join("+"))"' <<<"$output")" = \
		"work elsewhere one+and two" ]
	drives >before
	for option in series host; do
		run "$MRMR" put "--$option" "$(printf 'n%.0s' {1..256})" in
		[ "$status" -eq 2 ]
		[ "${lines[0]}" = "mrmr: the name of the $option is longer than 255 bytes" ]
	done
	run "$MRMR" put --tag "$(printf 'n%.0s' {1..4097})" in
	[ "$status" -eq 2 ]
	drives | diff before -
	"$MRMR" put --series "$(printf 'n%.0s' {1..255})" in
}

@test "-n counts what would be stored, and writes nothing to any drive" {
	drives >before
	run "$MRMR" --json put -n in
	[ "$status" -eq 0 ]
	[ "$(jq -r '"\(.files_new) \(.bytes_read) \(.snapshot_id)"' <<<"$output")" = "6 0 null" ]
	drives | diff before -
	"$MRMR" put in
	echo more >>in/one
	drives >before
	run "$MRMR" put -n in
	[ "${lines[0]}" = "files: 0 new, 1 changed, 5 unmodified" ]
	[[ "$output" != *saved* ]]
	drives | diff before -
}

@test "a path that is missing among others: named, exit 3; none there: exit 1, no snapshot" {
	run "$MRMR" put in/one nothing
	[ "$status" -eq 3 ]
	[ "${lines[0]}" = "mrmr: warning: $PWD/nothing: stat: No such file or directory" ]
	[[ "${lines[-1]}" == "snapshot "*" saved" ]]
	[ "$("$MRMR" ls latest:in)" = "$PWD/in/one" ]
	run "$MRMR" put nothing nowhere
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 1 ]
	run "$MRMR" put
	[ "$status" -eq 2 ]
}

@test "paths are taken as they are written: dots removed, links not followed but on the way" {
	ln -s folder in/link
	"$MRMR" put --series dots ./in/../in/folder/./sub//
	[ "$("$MRMR" --json ls -R --series dots latest:in | jq -r .path | tail -n 1)" = "$PWD/in/folder/sub/two" ]
	"$MRMR" put --series link in/link
	run "$MRMR" --json ls latest:in/link
	[ "$(jq -r '"\(.type) \(.target)"' <<<"$output")" = "symlink folder" ]
	"$MRMR" put --series way in/link/sub
	[ "$("$MRMR" --json ls -R --series way latest:in | jq -r .path | tail -n 1)" = "$PWD/in/link/sub/two" ]
}

@test "a drive of the array below the path is left out" {
	mv in/one d1/mine
	"$MRMR" put "$PWD"
	run "$MRMR" --json ls -R "latest:$PWD/d1"
	[ "$(jq -r .path <<<"$output")" = "$PWD/d1/mine" ]
}

@test "-q says nothing when all went well, and what went wrong all the same" {
	run "$MRMR" -q put in
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	run "$MRMR" -q put in nothing
	[ "$status" -eq 3 ]
	[ "${#lines[@]}" -eq 1 ]
}
