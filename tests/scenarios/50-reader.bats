# bats file_tags=serial
# The second implementation: tests/reader.py is written from mrmr-format(5) alone. What it reads
# proves the page.

load common

setup() {
	reader=$BATS_TEST_DIRNAME/../reader.py
	cd "$BATS_TEST_TMPDIR"
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in in/folder
	seq 1 60000 >in/folder/numbers
	truncate -s 300K in/sparse
	echo "after the hole" >>in/sparse
	ln -s folder/numbers in/link
}

# Every regular file of the snapshot named by $1, read from the drives that follow.
compare() {
	local id=$1 file
	shift
	for file in folder/numbers sparse; do
		/usr/bin/python3 "$reader" cat "$@" -- "$id" "$PWD/in/$file" >out
		cmp "in/$file" out
	done
}

@test "the reader opens an array by its passphrase and reads every file" {
	export MRMR_PASSPHRASE='a passphrase'
	"$MRMR" init --parity 2 --block-size 64K d1 d2 d3 d4
	"$MRMR" put in >said
	compare "$(sed -n 's/^snapshot \(.*\) saved$/\1/p' said)" d1 d2 d3 d4
}

@test "the reader reads with a key file, and from any two of four drives" {
	"$MRMR" init --parity 2 --block-size 64K --key-file key d1 d2 d3 d4
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in >said
	id=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' said)
	compare "$id" d1 d2
	compare "$id" d1 d3
	compare "$id" d1 d4
	compare "$id" d2 d3
	compare "$id" d2 d4
	compare "$id" d3 d4
}

@test "the reader follows what changed from snapshot to snapshot" {
	"$MRMR" init --parity 1 --block-size 64K --key-file key d1 d2 d3 d4
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in >/dev/null
	echo more >>in/folder/numbers
	rm in/link
	"$MRMR" put in >said
	id=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' said)
	compare "$id" d1 d2 d3 d4
	/usr/bin/python3 "$reader" ls d1 d2 d3 d4 >listed
	run grep -c "^$id .*/in/link$" listed
	[ "$output" -eq 0 ]
	run grep -c "/in/link$" listed
	[ "$output" -eq 1 ]
}

@test "the reader reads a compacted journal, what lies in the journal itself, and copies" {
	"$MRMR" init --copies 2 --block-size 64K --key-file key d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	for i in $(seq 70); do
		echo "$i" >"in/n$i"
		rm -f "in/n$((i - 3))"
		seq "$i" 1000 >in/folder/numbers
		"$MRMR" -q put in
		[ "$i" -ne 30 ] || cp -a in then
	done
	[ "$(find d1/.mrmr/journal -name '1-*' ! -name '1-1-*' | wc -l)" -eq 1 ]
	mapfile -t ids < <("$MRMR" --json snapshots | jq -r .id)
	compare "${ids[69]}" d2 d3
	/usr/bin/python3 "$reader" cat d1 d3 -- "${ids[29]}" "$PWD/in/folder/numbers" | cmp then/folder/numbers -
	/usr/bin/python3 "$reader" ls d1 d2 >listed
	for id in "${ids[69]}" "${ids[29]}"; do
		sed -n "s/^$id //p" listed | awk '{ print $NF }' | sort >read
		"$MRMR" --json ls -R "$id" | jq -r .path | sort | diff - read
	done
}
