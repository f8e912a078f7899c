# What did not change is not read again.

load common
load tree

setup() {
	fresh_home
	array_of_three --block-size 64K
	mkdir in
}

teardown() {
	[ -z "${work:-}" ] || rm -rf "$work"
}

# The names of files of the tree that a put opens, one per line. Opened are names, not paths.
opened_by_put() { # arguments of put...
	strace -f --seccomp-bpf -o trace -e trace=open,openat,openat2 "$MRMR" put "$@" >said
	sed -n 's/.*openat2\?(.*"\(\(file\|x\)[^"/]*\)".*/\1/p' trace
}

summary() { # key
	jq -r "select(.message_type == \"summary\") | .$1" said
}

# bats test_tags=plain
@test "100,000 unchanged files: none is opened, less than 4 KiB for each journal, no block" {
	# In memory where there is any: so many files take their time on a disk.
	work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
	for folder in a b c d e f g h i j; do
		mkdir "$work/$folder"
		seq 10000 | split -l 1 -a 4 - "$work/$folder/file"
	done
	[ "$(find "$work" -type f | wc -l)" -eq 100000 ]
	"$MRMR" put "$work"
	read -r -a journals <<<"$(sizes_of journal)"
	blocks="$(sizes_of blocks)$(sizes_of parity)"
	run opened_by_put "$work"
	echo "${lines[0]}"
	[ "${#lines[@]}" -eq 0 ]
	"$MRMR" --json put "$work" >said
	[ "$(summary files_unmodified)" -eq 100000 ]
	[ "$(summary bytes_read) $(summary bytes_added) $(summary bytes_stored)" = "0 0 0" ]
	read -r -a now <<<"$(sizes_of journal)"
	echo "journals: ${journals[*]}, after two puts: ${now[*]}"
	for i in 0 1 2; do
		[ $((now[i] - journals[i])) -lt 8192 ]
	done
	[ "$(sizes_of blocks)$(sizes_of parity)" = "$blocks" ]
	[ "$("$MRMR" snapshots | wc -l)" -eq 3 ]
	[ "$("$MRMR" ls -R "latest:$work" | wc -l)" -eq 100010 ]
}

# bats test_tags=plain
@test "only what changed is opened: by size, time, mode, attribute, or another file in its place" {
	for file in size time mode owner attribute inode same1 same2; do
		echo "$file" >"in/file-$file"
	done
	"$MRMR" put in
	echo more >>in/file-size
	touch -d '2001-02-03 04:05:06Z' in/file-time
	chmod 0600 in/file-mode
	chgrp "$(id -g)" in/file-owner
	setfattr -n user.x -v y in/file-attribute
	cp -p in/file-inode in/copy
	mv in/copy in/file-inode
	echo new >in/file-new
	run opened_by_put in
	[ "$(sort <<<"$output")" = "file-attribute
file-inode
file-mode
file-new
file-owner
file-size
file-time" ]
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

@test "a change that keeps size and time of a file is found by its ctime" {
	echo old >in/file
	touch -d '2001-02-03 04:05:06Z' in/file
	"$MRMR" put in
	echo new >in/file
	touch -d '2001-02-03 04:05:06Z' in/file
	"$MRMR" --json put in >said
	[ "$(summary files_changed)" -eq 1 ]
	[ "$("$MRMR" cat latest:in/file)" = new ]
}

@test "a change right before or right after a put is never missed" {
	echo 0 >in/file
	for i in $(seq 20); do
		echo "$i" >in/file
		mkdir -m 0700 "in/folder$i"
		"$MRMR" -q put in &
		put=$!
		chmod 0711 "in/folder$i"
		echo "${i}x" >in/file
		wait "$put" || [ $? -eq 3 ]
	done
	"$MRMR" -q put in
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

# bats test_tags=plain
@test "--force reads every file again, and stores nothing twice" {
	for i in 1 2 3 4 5; do head -c 50000 /dev/urandom >"in/file$i"; done
	"$MRMR" put in
	blocks=$(sizes_of blocks)
	run opened_by_put --force in
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "file1 file2 file3 file4 file5 " ]
	run "$MRMR" --json put --force in
	[ "$(jq -r '"\(.bytes_read) \(.bytes_added)"' <<<"$output")" = "250000 0" ]
	[ "$(sizes_of blocks)" = "$blocks" ]
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

@test "other paths are another series: read once, but stored only once" {
	mkdir in/folder
	head -c 100000 /dev/urandom >in/folder/x
	"$MRMR" put in
	"$MRMR" --json put in/folder >said
	[ "$(summary files_new)" -eq 1 ]
	[ "$(summary bytes_added)" -eq 0 ]
	"$MRMR" --json put in/folder >said
	[ "$(summary files_unmodified)" -eq 1 ]
	# The order and form of the paths do not matter, nor where they are named from.
	mkdir in/other
	"$MRMR" put in/folder in/other
	cd in
	"$MRMR" --json put other ../in/./folder/ >../said
	cd ..
	[ "$(summary files_unmodified)" -eq 1 ]
	# A name makes one series of whatever is put under it.
	"$MRMR" put --series mine in/folder
	"$MRMR" --json put --series mine in/folder in/other >said
	[ "$(summary files_unmodified)" -eq 1 ]
}

@test "what was left out before is read, what is left out now is gone from the snapshot" {
	echo x >in/one.o
	echo y >in/two
	"$MRMR" put -e '*.o' in
	"$MRMR" --json put in >said
	[ "$(summary files_new)" -eq 1 ]
	"$MRMR" put -e two in
	[ "$("$MRMR" ls latest:in)" = "$PWD/in/one.o" ]
}
