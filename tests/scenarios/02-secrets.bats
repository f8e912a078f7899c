# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	mkdir d1 d2 in
	echo letter >in/letter
}

@test "a passphrase command finds no passphrase, neither in its environment nor in mrmr's" {
	unset MRMR_PASSPHRASE
	cat >ask <<'ASK'
#!/bin/sh
tr '\0' '\n' </proc/$PPID/environ >of-mrmr
tr '\0' '\n' </proc/$PPID/cmdline >>of-mrmr
env >of-child
echo "from the command"
ASK
	chmod +x ask
	MRMR_PASSPHRASE_COMMAND="./ask 'one word'" MRMR_NEW_PASSPHRASE=canary-new \
		MRMR_NEW_PASSPHRASE_FILE=canary-file "$MRMR" init d1 d2
	grep -q '^HOME=' of-mrmr
	grep -q '^HOME=' of-child
	run ! grep canary of-mrmr of-child
	run ! grep MRMR_ of-child
	MRMR_PASSPHRASE="from the command" "$MRMR" put in
}

@test "a passphrase from a file or a descriptor opens what the variable made" {
	"$MRMR" init d1 d2
	echo "$MRMR_PASSPHRASE" >pass
	unset MRMR_PASSPHRASE
	MRMR_PASSPHRASE_FILE=pass "$MRMR" put in
	MRMR_PASSPHRASE_FD=7 "$MRMR" put in 7<pass
}

@test "a wrong passphrase: exit 12" {
	"$MRMR" init d1 d2
	MRMR_PASSPHRASE=wrong run "$MRMR" put in
	[ "$status" -eq 12 ]
	[[ "${lines[0]}" == "mrmr: "* ]]
}

@test "no passphrase and nobody to ask: exit 12, and the variables are named" {
	unset MRMR_PASSPHRASE
	run setsid -w "$MRMR" init d1 d2
	[ "$status" -eq 12 ]
	[[ "$output" == *MRMR_PASSPHRASE* ]]
	[ ! -e d1/.mrmr ]
}

@test "an empty passphrase is for experiments only" {
	MRMR_PASSPHRASE= run "$MRMR" init d1 d2
	[ "$status" -eq 2 ]
	[ ! -e d1/.mrmr ]
	unset MRMR_PASSPHRASE
	"$MRMR" init --insecure-no-passphrase d1 d2
	MRMR_INSECURE_NO_PASSPHRASE=1 "$MRMR" put in
}

@test "a key file opens the array, unless others can read it" {
	unset MRMR_PASSPHRASE
	"$MRMR" init --key-file key d1 d2
	[ "$(stat -c %a key)" = 600 ]
	MRMR_KEY_FILE=key setsid -w "$MRMR" put in
	chmod 640 key
	MRMR_KEY_FILE=key run "$MRMR" put in
	[ "$status" -eq 12 ]
	[[ "$output" == *"chmod 600"* ]]
}

@test "no file of ours holds the passphrase" {
	MRMR_PASSPHRASE=canary-in-a-coal-mine "$MRMR" init d1 d2
	MRMR_PASSPHRASE=canary-in-a-coal-mine "$MRMR" put in
	[ -n "$(grep -rl mrmr "$HOME" d1 | head -n 1)" ]
	run ! grep -rl canary-in-a-coal-mine "$HOME" d1 d2
}
