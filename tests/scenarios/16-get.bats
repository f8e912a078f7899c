# What "get" restores, and over what.

load common
load tree

setup() {
	fresh_home
	array_of_three --block-size 64K
	mkdir -p in/folder/sub in/empty
	echo one >in/one
	echo two >in/folder/two
	echo three >in/folder/sub/three
	echo object >in/folder/x.o
	ln -s one in/link
	ln in/one in/folder/twin
	touch -d '2001-02-03 04:05:06.5Z' in/one in/folder/two in/folder/sub in/folder
}

# All names below a folder, sorted, on one line.
names() {
	(cd "$1" && find . ! -name . -printf '%P\n' | LC_ALL=C sort | tr '\n' ' ')
}

@test "without a snapshot it is the latest; the folder is made, with parents" {
	"$MRMR" put in
	"$MRMR" get --to new/out
	assert_same in "new/out$PWD/in"
}

@test "a folder's contents come into DIR itself, anything else under its own name" {
	"$MRMR" put in
	"$MRMR" get "latest:$PWD/in" --to folder
	[ "$(names folder)" = "$(names in)" ]
	"$MRMR" get latest:in/folder/two --to file
	[ "$(names file)" = "two " ]
	[ "$(stat -c %y file/two)" = "$(stat -c %y in/folder/two)" ]
	"$MRMR" get latest:in/link --to file
	[ "$(readlink file/link)" = one ]
	run "$MRMR" get latest:in/nothing --to file
	[ "$status" -eq 1 ]
	[[ "$output" == "mrmr: in/nothing: no such file or folder in the snapshot"* ]]
}

@test "paths restrict it to them and what is below, named from here or from the place" {
	"$MRMR" put in
	"$MRMR" get latest in/folder/sub "$PWD/in/one" --to out
	[ "$(names "out$PWD/in")" = "folder folder/sub folder/sub/three one " ]
	[ "$(stat -c %y "out$PWD/in/folder")" = "$(stat -c %y in/folder)" ]
	"$MRMR" get latest:in folder/two in/one --to place
	[ "$(names place)" = "folder folder/two one " ]
	# Each name of a file with several is that file.
	"$MRMR" get latest in/folder/twin --to twin
	cmp "twin$PWD/in/folder/twin" in/one
	run "$MRMR" get latest:in/folder in/one --to nowhere
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "mrmr: in/one: it is not below $PWD/in/folder" ]
	run "$MRMR" get latest in/one in/nothing --to nowhere
	[ "$status" -eq 1 ]
	[ ! -e nowhere ]
}

@test "--include and --exclude choose by patterns" {
	"$MRMR" put in
	"$MRMR" get latest:in --exclude '*.o' --exclude sub --to out
	[ "$(names out)" = "empty folder folder/twin folder/two link one " ]
	"$MRMR" get latest:in -e '*o' -e '!two' --to taken-back
	[ "$(names taken-back)" = "empty folder folder/sub folder/sub/three folder/twin folder/two link one " ]
	"$MRMR" get latest:in --include '*.o' --include sub --to included
	run find included -type f -printf '%P\n'
	[ "$(sort <<<"$output")" = "folder/sub/three
folder/x.o" ]
	run "$MRMR" get latest:in --include '[a' --to out
	[ "$status" -eq 2 ]
}

# A copy of the tree in which each file of a row differs in one way. The times are those of 2001.
different() { # folder
	cp -a in "$1"
	echo another >"$1/folder/two"
	touch -d '2030-01-01Z' "$1/folder/two"
	echo older >"$1/folder/x.o"
	touch -d '1999-01-01Z' "$1/folder/x.o"
	rm "$1/folder/twin"
	echo two >"$1/folder/twin"
	printf 'ONE\n' >"$1/one"
	touch -d '2001-02-03 04:05:06.5Z' "$1/one"
	chmod 0600 "$1/one"
	ln -sfn elsewhere "$1/link"
	setfattr -n user.other -v x "$1/folder" "$1/folder/sub/three"
	setfacl -m u:1234:rwx "$1/empty" "$1/folder/sub/three"
}

@test "--overwrite if-changed: what differs in size or time is replaced, the rest gets its metadata" {
	"$MRMR" put in
	different out
	"$MRMR" get latest:in --to out
	# By size and time this one is the same: nothing tells its contents apart but --overwrite always.
	[ "$(cat out/one)" = ONE ]
	[ "$(stat -c %a out/one)" = "$(stat -c %a in/one)" ]
	for path in folder/two folder/x.o folder/sub/three; do
		cmp "in/$path" "out/$path"
	done
	"$MRMR" get latest:in --overwrite always --to out
	assert_same in/folder out/folder
	assert_same in/empty out/empty
	cmp in/one out/one
	[ "$(readlink out/link)" = one ]
	[ "$(stat -c %i out/one)" -eq "$(stat -c %i out/folder/twin)" ]
}

@test "--overwrite if-newer: what is newer here stays" {
	"$MRMR" put in
	different out
	"$MRMR" get latest:in --overwrite if-newer --to out
	[ "$(cat out/folder/two)" = another ]
	[ "$(cat out/one)" = ONE ]
	[ "$(stat -c %a out/one)" = 600 ]
	cmp in/folder/x.o out/folder/x.o
}

@test "--overwrite never: what is here stays, what is missing comes" {
	"$MRMR" put in
	different out
	rm -r out/folder/sub
	cp -a out before
	run "$MRMR" --json get latest:in --overwrite never --to out
	[ "$status" -eq 0 ]
	[ "$(jq -r .files_restored <<<"$output")" -eq 1 ]
	cmp in/folder/sub/three out/folder/sub/three
	rm -r out/folder/sub
	touch -r before/folder out/folder
	assert_same before out
}

@test "--overwrite of another word: exit 2" {
	"$MRMR" put in
	run "$MRMR" get latest --overwrite sometimes --to out
	[ "$status" -eq 2 ]
	[ ! -e out ]
}

@test "a killed restore goes on where it was, and nothing is torn" {
	for i in $(seq 40); do head -c 100000 /dev/urandom >"in/noise$i"; done
	"$MRMR" put in
	for wait in 0.01 0.02 0.03 0.05; do
		timeout -s KILL "$wait" "$MRMR" get latest --to out || true
	done
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

@test "--delete: what the snapshot has not goes, and afterwards nothing differs" {
	"$MRMR" put in
	different out
	mkdir -p out/more/and/more out/empty/more
	echo x >out/more/and/more/x
	echo x >out/folder/x.c
	ln -s /etc out/folder/way-out
	mkfifo out/folder/sub/pipe
	# A full folder in place of a file goes, too, and a file in place of a folder.
	rm out/folder/x.o
	mkdir out/folder/x.o
	echo x >out/folder/x.o/x
	run "$MRMR" --json get latest:in --delete --overwrite always --to out
	[ "$status" -eq 0 ]
	[ "$(jq -r .deleted <<<"$output")" -eq 6 ]
	touch -r in out
	chmod --reference in out
	assert_same in out
	# Again: nothing is left to do.
	run "$MRMR" --json get latest:in --delete --to out
	[ "$(jq -r .deleted <<<"$output")" -eq 0 ]
}

@test "--delete deletes only what would have been restored" {
	"$MRMR" put in
	"$MRMR" get latest --to out
	out=out$PWD/in
	mkdir -p "$out/folder/new/deep" "out$PWD/beside" "$out/gone"
	for file in a folder/a folder/sub/a folder/a.keep folder/new/a folder/new/deep/a.keep gone/a; do
		echo x >"$out/$file"
	done
	"$MRMR" get latest in/folder/sub in/one --delete --to out
	[ ! -e "$out/folder/sub/a" ]
	[ -e "$out/a" ]
	[ -e "$out/folder/a" ]
	"$MRMR" get latest --include '*.o' --delete --to out
	[ -e "$out/a" ]
	[ -e "$out/folder/a" ]
	"$MRMR" get latest --exclude '*.keep' --delete --to out
	[ "$(cd "$out" && find . -name '*a' -o -name '*.keep' -o -name gone | sort | tr '\n' ' ')" = \
		"./folder/a.keep ./folder/new/deep/a.keep " ]
	[ -d "out$PWD/beside" ]
	"$MRMR" get latest --delete -n --to out
	[ -e "$out/folder/a.keep" ]
	"$MRMR" get latest --delete --to out
	assert_same in "$out"
	[ -d "out$PWD/beside" ]
}

@test "a full folder stays where a file is to be: named, exit 1, all else is restored" {
	"$MRMR" put in
	mkdir -p out/one/full
	run "$MRMR" get latest:in --to out
	[ "$status" -eq 1 ]
	[[ "$output" == *"mrmr: warning: $PWD/in/one: a folder is in its place: Directory not empty"* ]]
	[ -d out/one/full ]
	cmp in/folder/twin out/folder/twin
	cmp in/folder/two out/folder/two
}

@test "--no-sparse writes holes as zeros, --verify reads back" {
	truncate -s 2M in/sparse
	echo end >>in/sparse
	"$MRMR" put in
	"$MRMR" get latest --to out
	[ "$(blocks_of "out$PWD/in/sparse")" -lt 100 ]
	"$MRMR" get latest --no-sparse --verify --to full
	[ "$(blocks_of "full$PWD/in/sparse")" -ge 4096 ]
	assert_same in "full$PWD/in"
}

@test "-n says what would be restored, and writes nothing" {
	"$MRMR" put in
	run "$MRMR" get latest -n --to out
	[ "$status" -eq 0 ]
	[[ "$output" == "would restore 5 files "* ]]
	[ ! -e out ]
	mkdir out
	run "$MRMR" get latest:in --delete -n --to out
	[ "$(names out)" = "" ]
}

@test "--no-privileged gives everything to the caller's own rights" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	cp /bin/true in/tool
	chown 1234:1234 in/tool
	chmod 6755 in/tool
	setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 in/one
	"$MRMR" put in
	run "$MRMR" get latest:in --no-privileged --to out
	[ "$status" -eq 0 ]
	[[ "$output" == *"setuid, setgid or capability of 2 entries not set"* ]]
	[ "$(stat -c %a out/tool)" = 755 ]
	[ "$(getfattr -d -m security.capability out/one)" = "" ]
}

# bats test_tags=plain
@test "a full disk ends it: exit 25, the file is named, nothing is torn, and there is a way on" {
	unshare -m true 2>/dev/null || skip "may not mount"
	head -c 3000000 /dev/urandom >in/z-large
	"$MRMR" put in
	mkdir out
	run unshare -m bash -c 'mount -t tmpfs -o size=1m none out
		"$MRMR" get latest:in --to out && exit 1
		[ $? -eq 25 ] && cmp in/one out/one && [ ! -e out/z-large ] && umount out &&
		mount -t tmpfs -o size=8m none out && "$MRMR" get latest:in --to out &&
		cmp in/z-large out/z-large'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"mrmr: $PWD/in/z-large: write: No space left on device"* ]]
}

# Flips a bit in each 4 KiB of the blocks that hold a file, and of their parity; each time another
# bit, or they would cancel each other out.
damage() { # file
	"$MRMR" --json whereis "latest:$PWD/$1" |
		jq -r 'select(.message_type == "block" and .inline == false) |
			"\(.drive)/.mrmr/blocks/\(.block[0:2])/\(.block).blob",
			(.groups[].rows[] | "\(.drive)/.mrmr/parity/\(.parity[0:2])/\(.parity).blob")' |
		sort -u | xargs python3 -c '
import sys
for i, name in enumerate(sys.argv[1:]):
    with open(name, "r+b") as f:
        b = bytearray(f.read())
        b[100::4096] = bytes(x ^ 1 << i % 8 for x in b[100::4096])
        f.seek(0)
        f.write(b)'
}

@test "a damaged file is left out and named with what is missing, exit 21; all others come" {
	head -c 150000 /dev/urandom >in/whole
	"$MRMR" put in
	head -c 150000 /dev/urandom >in/hurt
	"$MRMR" put in
	damage in/hurt
	mkdir -p "out$PWD/in"
	echo "as it was" >"out$PWD/in/hurt"
	run "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	line=$(grep '/in/hurt: LOST' <<<"$output")
	[[ "$line" =~ ^"mrmr: warning: $PWD/in/hurt: LOST: bytes "[0-9]+-[0-9]+.*" of 150000 cannot be read: " ]]
	[ "$(grep -c LOST <<<"$output")" -eq 1 ]
	[ "$(cat "out$PWD/in/hurt")" = "as it was" ]
	[ ! -e "out$PWD/in/hurt.mrmr-partial" ]
	assert_same in "out$PWD/in" --exclude hurt
	# With --json its path stands by itself.
	run "$MRMR" --json get latest --to again
	[ "$(jq -r 'select(.path != null) | .path' <<<"$(grep '^{' <<<"$output")")" = "$PWD/in/hurt" ]
	[ "$(jq -r 'select(.message_type == "summary") | .files_lost' <<<"$(grep '^{' <<<"$output")")" -eq 1 ]
}

@test "--partial writes what is readable beside, zeros for the rest; names too long for it are told" {
	"$MRMR" put in
	longest=$(printf 'n%.0s' {1..250})
	head -c 150000 /dev/urandom >in/hurt
	head -c 150000 /dev/urandom >"in/$longest"
	"$MRMR" put in
	damage in/hurt
	damage "in/$longest"
	echo "as it was" >old
	mkdir out
	cp old out/hurt
	run "$MRMR" get latest:in --partial --to out
	[ "$status" -eq 21 ]
	[[ "$output" == *"$longest: the name of a partial file would be too long"* ]]
	cmp old out/hurt
	[ "$(stat -c %s out/hurt.mrmr-partial)" -eq 150000 ]
	[ ! -e "out/$longest" ]
	cmp in/one out/one
	# Outside of the ranges that were named, all bytes are right; within, they are zeros.
	ranges=$(sed -n 's|.*/in/hurt: LOST: bytes \(.*\) of 150000.*|\1|p' <<<"$output")
	python3 -c '
import sys
want = bytearray(open(sys.argv[1], "rb").read())
for r in sys.argv[3].split(", "):
    first, last = map(int, r.split("-"))
    want[first:last + 1] = bytes(last + 1 - first)
sys.exit(want != open(sys.argv[2], "rb").read())' in/hurt out/hurt.mrmr-partial "$ranges"
}
