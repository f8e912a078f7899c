# What is put comes back as it was, and what could not be read is told.

load common
load tree

setup() {
	fresh_home
	array_of_three --block-size 64K
	mkdir in
}

restored() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out 2>got_errors
}

# Nothing was said but that the table had gone.
quietly() {
	run grep -v 'the local table was missing' got_errors
	echo "$output"
	[ "$output" = "" ]
}

@test "every kind of file comes back with all its metadata" {
	mkdir -p in/full/sub in/empty in/closed
	: >in/nothing
	head -c 300000 /dev/urandom >in/noise
	ln in/noise in/full/sub/twin
	ln in/nothing in/full/nothing
	ln -s ../noise in/full/link
	ln -s "$(printf 'x%.0s' {1..4095})" in/longest
	ln -s $'\xff\n' in/odd
	mkfifo -m 0612 in/pipe
	ln in/pipe in/full/pipe
	ln -P in/odd in/full/odd
	for mode in 0000 0400 0777 1644 2755 4755 6711; do
		echo "$mode" >"in/f$mode"
		mkdir "in/d$mode"
		chmod "$mode" "in/f$mode" "in/d$mode"
	done
	touch -d '1901-12-13 20:45:52.000000001Z' in/f0777
	touch -d '2200-01-01 00:00:00.999999999Z' in/noise
	touch -h -d '2001-02-03 04:05:06.123456789Z' in/full/link
	touch -d '2001-02-03 04:05:06.123456789Z' in/full/sub in/full in/empty in
	if [ "$(id -u)" -eq 0 ]; then
		mknod in/full/null c 1 3 || true
		mknod in/full/disk b 4000 1000000 || true
		[ ! -e in/full/disk ] || ln in/full/disk in/disk
		echo theirs >in/theirs
		chown 12345:4000000000 in/theirs
		chown -h 7:8 in/odd in/pipe
		chown 9:10 in/empty
		chmod 6750 in/theirs
	fi
	"$MRMR" put in
	restored
	quietly
	assert_same in "out$PWD/in"
}

@test "attributes and ACLs of files, folders and links come back" {
	mkdir in/folder in/shared
	for file in one read-only shared/before; do echo x >"in/$file"; done
	setfattr -n user.text -v value in/one
	setfattr -n user.empty in/one
	setfattr -n user.bytes -v 0x00ff0a80 in/one
	setfattr -n "user.$(printf 'n%.0s' {1..250})" -v long in/one
	setfattr -n user.large -v "$(head -c 3000 /dev/zero | tr '\0' v)" in/folder
	setfattr -n user.kept -v x in/read-only
	chmod 0444 in/read-only
	setfacl -m u:1234:rwx,g:5678:r,m:r in/one
	setfacl -m u:1234:-w- in/folder
	setfacl -d -m u:1234:rwx,g:5678:---,o:- in/shared
	echo x >in/shared/after
	mkdir in/shared/below
	if [ "$(id -u)" -eq 0 ]; then
		setfattr -n trusted.text -v value in/one in/folder
		setfattr -n security.mine -v value in/one
		ln -s nowhere in/link
		setfattr -h -n trusted.text -v value in/link
		cp /bin/true in/tool
		# cap_net_raw, permitted and effective
		setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 in/tool
	fi
	"$MRMR" put in
	restored
	quietly
	assert_same in "out$PWD/in"
	(cd in && find . ! -type l | sort | xargs getfacl -n) >acls
	(cd "out$PWD/in" && find . ! -type l | sort | xargs getfacl -n) | diff acls -
	(cd in && find . | sort | xargs getfattr -h -d -m - -e hex) >attributes
	(cd "out$PWD/in" && find . | sort | xargs getfattr -h -d -m - -e hex) | diff attributes -
	grep -q user.large attributes
	grep -q '^default:user:1234:rwx' acls
}

@test "a file of 5 TiB that is nearly all a hole comes back as that, at once" {
	head -c 30000 /dev/urandom >piece
	truncate -s 5T in/large
	for at in 0 1099511627776 5497558108880; do
		dd if=piece of=in/large conv=notrunc bs=64K seek="$at" oflag=seek_bytes status=none
	done
	truncate -s 3M in/hole
	head -c 3M /dev/zero >in/zeros
	[ "$(stat -c %s in/large)" -eq 5497558138880 ]
	"$MRMR" put in
	restored
	out=out$PWD/in
	[ "$(stat -c %s "$out/large")" -eq 5497558138880 ]
	[ "$(blocks_of "$out/large")" -le "$(blocks_of in/large)" ]
	[ "$(blocks_of "$out/hole")" -eq 0 ]
	for at in 0 1099511627776 5497558108880; do
		cmp -n 30000 -i "0:$at" piece "$out/large"
	done
	cmp -n 1M -i 2199023255552 in/large "$out/large"
	assert_same in "$out" --exclude large
}

@test "paths longer than PATH_MAX come back" {
	python3 "$BATS_TEST_DIRNAME/deep.py" in 100 250
	"$MRMR" put in
	restored
	quietly
	everything in >before
	everything "out$PWD/in" | diff before -
	[ "$(grep -c 'user.depth' before)" -eq 5 ]
	# The second one finds what the first one stored.
	run "$MRMR" --json put in
	[ "$(jq -r .files_unmodified <<<"$output")" -eq 5 ]
}

# bats test_tags=plain
@test "a journal whose records shrink a lot is compacted, in parts that fit" {
	# Segments as large as they get; each folder's record has its whole path: 80 MiB of them.
	rm -r d1 d2 d3 config state key
	array_of_three
	python3 "$BATS_TEST_DIRNAME/deep.py" in 800 250
	"$MRMR" put in
	for ((i = 0; i < 8; i++)); do
		head -c 100000 /dev/urandom >in/noise
		run "$MRMR" -q put in
		[ "$output" = "" ]
	done
	[ "$(ls d1/.mrmr/journal/*/ | wc -l)" -le 16 ]
	rm -rf state/*/table.sqlite*
	"$MRMR" cat "latest:$PWD/in/noise" | cmp - in/noise
}

# Of any tree, however deep: nothing here names a file by its whole path.
everything() {
	(
		cd "$1"
		find . -printf '%P %y %m %s %T@ %l\n' | LC_ALL=C sort
		find . -type f -execdir sha256sum {} \; | LC_ALL=C sort
		find . -type f -execdir getfattr -d -e hex {} \; | LC_ALL=C sort
	)
}

@test "changes of metadata alone are stored, and each snapshot keeps its own" {
	mkdir -p in/folder in/becomes-file in/becomes-link
	for file in mode times attribute acl becomes-folder folder/x becomes-file/x; do
		echo "$file" >"in/$file"
	done
	ln -s one in/link
	cp -a in first
	"$MRMR" put in
	chmod 0600 in/mode
	touch -d '2001-02-03 04:05:06.5Z' in/times in/folder
	setfattr -n user.new -v x in/attribute
	setfacl -m u:1234:r in/acl
	ln -sfn two in/link
	rm -r in/becomes-folder in/becomes-file in/becomes-link
	mkdir in/becomes-folder
	echo inside >in/becomes-folder/x
	echo flat >in/becomes-file
	ln -s nowhere in/becomes-link
	[ "$(id -u)" -ne 0 ] || chown 12:13 in/folder/x
	"$MRMR" put in
	restored
	assert_same in "out$PWD/in"
	"$MRMR" get latest~1 --to old
	assert_same first "old$PWD/in"
}

@test "sockets are left out with a note, not even that with -q, and that is no error" {
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("in/socket")'
	echo x >in/file
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"mrmr: warning: $PWD/in/socket: socket, not stored"* ]]
	run "$MRMR" put -q in
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	restored
	[ "$(ls "out$PWD/in")" = file ]
}

@test "what a normal user may not read is named, exit 3, and is in no newer snapshot" {
	mkdir in/shut in/blind
	for file in in/a in/shut/x in/blind/x in/z; do echo old >"$file"; done
	for_user in d1 d2 d3 config state key
	as_user "$MRMR" put in
	chmod 0000 in/a in/shut
	chmod 0400 in/blind
	echo new >>in/z
	run as_user "$MRMR" --json put in
	[ "$status" -eq 3 ]
	[[ "$output" == *"$PWD/in/a: open: Permission denied"* ]]
	[[ "$output" == *"$PWD/in/shut: open: Permission denied"* ]]
	[[ "$output" == *"$PWD/in/blind/x: stat: Permission denied"* ]]
	[ "$(tail -n 1 <<<"$output" | jq -r .files_failed)" -eq 3 ]
	run as_user "$MRMR" ls -R "latest:$PWD/in"
	[ "$output" = "$PWD/in/blind
$PWD/in/shut
$PWD/in/z" ]
	[ "$(as_user "$MRMR" cat "latest~1:$PWD/in/a")" = old ]
	[ "$(as_user "$MRMR" cat "latest~1:$PWD/in/shut/x")" = old ]
	chmod 0600 in/a
	run as_user "$MRMR" --json put in
	[ "$status" -eq 3 ]
	[ "$(tail -n 1 <<<"$output" | jq -r '"\(.files_new) \(.files_changed)"')" = "1 0" ]
	chmod -R u+rwx in
}

@test "what a normal user may not set is counted and said, and gives nobody more rights" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	echo x >in/theirs
	cp /bin/true in/tool
	cp /bin/true in/capable
	mkdir in/folder
	chown 1234:1234 in/theirs in/tool in/folder
	chmod 6755 in/tool in/folder
	setfattr -n trusted.text -v value in/theirs
	setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 in/capable
	mknod in/device c 1 3 || skip "may not make devices"
	"$MRMR" put in
	mkdir mine
	for_user mine d1 d2 d3 config state key
	run as_user "$MRMR" get latest --to mine/out
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning: owner of "*" entries not set: not permitted"* ]]
	[[ "$output" == *"warning: setuid, setgid or capability of 3 entries not set"* ]]
	[[ "$output" == *"warning: device of 1 entry not set"* ]]
	[[ "$output" == *"warning: extended attribute of 1 entry not set"* ]]
	out=mine/out$PWD/in
	[ ! -e "$out/device" ]
	[ "$(stat -c '%a %u' "$out/tool" "$out/folder" | sort -u)" = "755 65534" ]
	run getfattr -d -m - "$out/theirs" "$out/capable"
	[ "$output" = "" ]
	cmp in/tool "$out/tool"
}

# bats test_tags=plain
@test "a file that changes while it is read is named, exit 3, and is whole in the next snapshot" {
	head -c 200000 /dev/urandom >in/shrinks
	head -c 200000 /dev/urandom >in/grows
	cp -a in before
	for file in shrinks grows; do
		put_stopped_at "in/$file" "in/$file"
		[ "$file" = grows ] || truncate -s 1000 "in/$file"
		[ "$file" = shrinks ] || echo more >>"in/$file"
		put_goes_on
		[ "$code" -eq 3 ]
		grep -q "$PWD/in/$file: changed while it was read" errors
		"$MRMR" get "latest:$PWD/in/$file" --to "out-$file"
		run "$MRMR" --json put "in/$file"
		[ "$status" -eq 0 ]
		[ "$(jq -r .files_changed <<<"$output")" -eq 1 ]
		"$MRMR" cat "latest:$PWD/in/$file" | cmp - "in/$file"
	done
	# Read was what was there when it was opened.
	cmp before/grows out-grows/grows
}

# bats test_tags=plain
@test "what vanishes while its folder is read is named, exit 3, and is not in the snapshot" {
	mkdir in/folder
	for file in a file link-soon folder-soon pipe-soon folder/x; do echo "$file" >"in/$file"; done
	"$MRMR" put in
	for file in file link-soon folder-soon pipe-soon; do echo more >>"in/$file"; done
	echo more >>in/a
	put_stopped_at in/a in
	rm in/file in/link-soon in/folder-soon in/pipe-soon
	ln -s /etc/passwd in/link-soon
	mkdir in/folder-soon
	mkfifo in/pipe-soon
	put_goes_on
	[ "$code" -eq 3 ]
	for file in file link-soon folder-soon pipe-soon; do
		grep -q "^mrmr: warning: $PWD/in/$file: open: " errors
	done
	run "$MRMR" ls "latest:$PWD/in"
	[ "$output" = "$PWD/in/a
$PWD/in/folder" ]
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	restored
	assert_same in "out$PWD/in"
}
