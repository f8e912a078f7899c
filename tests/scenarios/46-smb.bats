# Shares (SMB) as drives, on a real server on loopback.
# bats file_tags=plain

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export SERVER=$BATS_FILE_TMPDIR/smbd
	start_server smbd "$SERVER"
	export SHARES=127.0.0.1:$PORT
}

teardown_file() {
	"$servers/smbd.sh" stop "$SERVER"
}

setup() {
	fresh_home
	needs_server
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	password=file:$SERVER/password
	mkdir d1 d2 in
	seq 20000 >in/numbers
	head -c 300000 /dev/urandom >in/noise
	ln -s numbers in/link
}

# array_with URL [OPTION...]: two folders and the share, parity 1.
array_with() {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	"$MRMR" add --mkdir "${@:2}" share="$1"
}

same() {
	rsync -aAXHcn --delete --itemize-changes in/ "$1$PWD/in/" >changes
	cat changes
	[ ! -s changes ]
}

# A file of the share that holds an object, and of which there is one on it alone.
a_block() {
	find "$1/.mrmr/blocks" -type f | sort | head -n 1
}

@test "an array of folders and a share of a user: put, get without a folder, scrub" {
	array_with "smb://alice@$SHARES/private/a" -o password="$password"
	[ "$(jq -r '.drives[] | select(.name == "share").options.fsync' config/default.json)" = no ]
	run -0 --separate-stderr "$MRMR" put in
	[ -n "$(a_block "$SERVER/data/private/a")" ]
	mv d1 away
	run -0 "$MRMR" get latest --to out
	same out
	mv away d1
	run -0 "$MRMR" scrub
	[[ $output == *'drive share: '* ]]
	[[ $output == *'no damage found'* ]]
	find "$SERVER/data/private/a/.mrmr/blocks" "$SERVER/data/private/a/.mrmr/parity" -name '*.blob' |
		while read -r file; do
			[ "$(sha256sum <"$file" | cut -c1-64)" = "$(basename "$file" .blob)" ] || exit 1
		done
	[ -z "$(ls "$SERVER/data/private/a/.mrmr/~tmp")" ]
}

@test "a share of guests, and one that is read only" {
	array_with "smb://$SHARES/guest/b"
	run -0 "$MRMR" put in
	rm -rf state/*/table.sqlite*
	mv d2 away
	run -0 "$MRMR" get latest --to out
	same out
	mv away d2
	run -1 "$MRMR" add other="smb://alice@$SHARES/readonly" -o password="$password"
	[[ $output == *'Permission denied'* ]]
	run -1 "$MRMR" add other="smb://$SHARES/private/b" --mkdir
	[[ $output == *'the server refuses guests' ]]
}

@test "a share that demands encryption, and a drive that does" {
	array_with "smb://$SHARES/sealed/c" -o 'user=TESTS\alice' -o password="$password"
	run -0 "$MRMR" add enc="smb://alice@$SHARES/private/c" --mkdir -o password="$password" \
		-o encryption=required
	run -0 "$MRMR" put in
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
}

@test "a share that does not tell the case of letters" {
	array_with "smb://alice@$SHARES/folded/d" -o password="$password"
	run -0 "$MRMR" put in
	run -0 "$MRMR" put in
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
	mv d1 away
	run -0 "$MRMR" get latest --to out
	same out
}

@test "a wrong password, an unknown user, a missing share or folder, no server: one line says which" {
	array_with "smb://alice@$SHARES/private/e" -o password="$password"
	(umask 077 && echo 'not it' >wrong)
	run -1 "$MRMR" add x="smb://alice@$SHARES/private/x" --mkdir -o password=file:wrong
	[[ $output == *"smb://$SHARES/private/x: the server refuses alice" ]]
	run -1 "$MRMR" add x="smb://eve@$SHARES/private/x" --mkdir -o password=file:wrong
	[[ $output == *'the server refuses eve' ]]
	for mkdir in '' --mkdir; do
		run -2 "$MRMR" add x="smb://alice@$SHARES/nowhere/x" $mkdir -o password="$password"
		[[ ${lines[0]} == *"$SHARES/nowhere/x: no such share"*'shares are not)' ]]
	done
	run -2 "$MRMR" add x="smb://alice@$SHARES/private/not/there" -o password="$password"
	[[ $output == *'is not there (--mkdir creates it)'* ]]
	run -1 "$MRMR" add x="smb://alice@127.0.0.1:1/private" -o password="$password"
	[[ $output == *'Connection refused' ]]
	run -2 "$MRMR" add x="smb://alice@$SHARES/private/x" --mkdir
	[[ $output == *'user alice needs -o password=REFERENCE'* ]]
	run -2 "$MRMR" add x="smb://alice:secret@$SHARES/private/x" --mkdir
	[[ $output != *secret* ]]
	run -2 "$MRMR" add x="smb://$SHARES/guest/x" --mkdir -o password="$password"
	run -2 "$MRMR" add x="smb://$SHARES" --mkdir
	[ ! -e "$SERVER/data/private/x" ]
	run -0 "$MRMR" drives
	[ "${#lines[@]}" -eq 3 ]
}

@test "a server that keeps no file for one alone cannot join" {
	run -1 array_with "smb://alice@$SHARES/split/d" -o password="$password"
	[[ $output == *'drive share: the server lets two hosts write one file'* ]]
	[ -n "$(find "$SERVER/data/split" -name '~tmp')" ]
	[ -z "$(find "$SERVER/data/split" -type f)" ]
}

@test "a server that stops in the middle of a put: it goes on without, and what is owed comes later" {
	array_with "smb://alice@$SHARES/private/f" -o password="$password" -o limit-upload=400K
	head -c 3000000 /dev/urandom >in/more
	"$MRMR" put in >said 2>&1 &
	put=$!
	for ((i = 0; i < 3000; i++)); do
		[ -z "$(a_block "$SERVER/data/private/f" 2>/dev/null)" ] || break
		sleep 0.02
	done
	while_stopped $put "$servers/smbd.sh" halt "$SERVER"
	rc=0
	wait $put || rc=$?
	cat said
	[ "$rc" -eq 0 ] || [ "$rc" -eq 20 ]
	[[ $(cat said) == *share* ]]
	run -0 "$MRMR" get latest --to out
	same out
	"$servers/smbd.sh" resume "$SERVER"
	run -0 "$MRMR" put in
	run -0 "$MRMR" scrub
	[[ $output == *'drive share: '* ]]
	mv d1 away
	rm -rf out
	run -0 "$MRMR" get latest --to out
	same out
}

@test "a full share: what does not fit there goes elsewhere, and nothing is left half" {
	"$MRMR" init --key-file key --parity 1 --block-size 8M d1 d2 >recovery 2>&1
	"$MRMR" add --mkdir -o password="$password" share="smb://alice@$SHARES/private/i"
	head -c 12000000 /dev/urandom >in/much
	"$servers/smbd.sh" narrow "$SERVER" 2
	run "$MRMR" put in
	echo "$output"
	[[ $output == *'drive share: '*'No space left on device'* ]]
	[ "$status" -eq 0 ] || [ "$status" -eq 20 ]
	run find "$SERVER/data/private/i/.mrmr" -name '*.blob' -size +2M
	[ "$output" = "" ]
	[ -z "$(ls "$SERVER/data/private/i/.mrmr/~tmp")" ]
	run -0 "$MRMR" get latest --to out
	same out
	"$servers/smbd.sh" halt "$SERVER"
	"$servers/smbd.sh" resume "$SERVER"
	run -0 "$MRMR" put in
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
}

@test "the password is nowhere: not in arguments, environments, files of ours or on the drives" {
	canary=wonderland
	(umask 077 && printf '#!/bin/sh\necho %s\n' "$canary" >tell && chmod 700 tell)
	array_with "smb://alice@$SHARES/private/g" -o "password=command:$PWD/tell"
	"$MRMR" -v put in >said 2>&1 &
	put=$!
	while kill -0 $put 2>/dev/null; do
		tr '\0' '\n' <"/proc/$put/cmdline" >>seen || true
		tr '\0' '\n' <"/proc/$put/environ" >>seen || true
	done 2>/dev/null
	wait $put
	"$MRMR" --json status >>said 2>&1
	"$MRMR" -v drives >>said 2>&1
	[ -s seen ]
	run -1 grep -r "$canary" seen said recovery config state d1 d2 "$SERVER/data/private/g"
}

@test "an object that was changed on the share is found and mended" {
	array_with "smb://alice@$SHARES/private/h" -o password="$password"
	run -0 "$MRMR" put in
	printf x | dd of="$(a_block "$SERVER/data/private/h")" bs=1 seek=100 conv=notrunc status=none
	run "$MRMR" scrub --repair
	[[ $output == *'1 damaged, 1 repaired'* ]]
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
}
