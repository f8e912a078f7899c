# Shares as drives that are logged in to by Kerberos: a real KDC and a real server on loopback.
# bats file_tags=plain

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export SERVER=$BATS_FILE_TMPDIR/krb
	start_server smbd-krb "$SERVER"
	[ -z "$MISSING" ] || return 0
	export SHARES=server.tests.example:$PORT
	export KRB5_CONFIG=$SERVER/krb5.conf
	kinit -l 1s -k -t "$SERVER/alice.keytab" -c "$SERVER/expired" alice
	kinit -k -t "$SERVER/bob.keytab" -c "$SERVER/bob" bob
}

teardown_file() {
	"$servers/smbd-krb.sh" stop "$SERVER"
}

setup() {
	fresh_home
	needs_server
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	export KRB5CCNAME=FILE:$PWD/tickets NSS_WRAPPER_HOSTS=$SERVER/hosts
	kinit -k -t "$SERVER/alice.keytab" alice
	mkdir d1 d2 in
	seq 20000 >in/numbers
	head -c 300000 /dev/urandom >in/noise
	: >"$SERVER/smbd/log/smbd"
}

# mrmr where the names of the server's host are known.
mrmr() {
	LD_PRELOAD=libnss_wrapper.so "$MRMR" "$@"
}

# array_with URL [OPTION...]: two folders and the share, parity 1.
array_with() {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	mrmr add --mkdir -o auth=kerberos "${@:2}" share="$1"
}

same() {
	rsync -aAXHcn --delete --itemize-changes in/ "$1$PWD/in/" >changes
	cat changes
	[ ! -s changes ]
}

# Everybody that was let in by the server came with a ticket of alice.
only_alice_by_ticket() {
	grep -o 'Auth[nZ]*: .*' "$SERVER/smbd/log/smbd" >let_in
	cat let_in
	[ -s let_in ]
	run -1 grep -v 'AuthZ: \[SMB2,krb5\] user \[TESTS\]\\\[alice\]' let_in
}

# Nobody was let in, and nothing was stored.
nobody() {
	run cat "$SERVER/smbd/log/smbd"
	[[ $output != *'Successful Auth'* ]]
	[ -z "$(find "$SERVER/smbd/data" -path '*/refused*')" ]
}

@test "an array of folders and a share: put, get and scrub with nothing but a ticket" {
	kdestroy -q
	kinit alice <<<wonderland
	array_with "smb://alice@$SHARES/private/a" -o connections=4
	run -0 --separate-stderr mrmr put in
	[ "$stderr" = "" ]
	mv d1 away
	run -0 mrmr get latest --to out
	same out
	mv away d1
	run -0 mrmr scrub
	[[ $output == *'drive share: '* ]]
	[[ $output == *'no damage found'* ]]
	find "$SERVER/smbd/data/private/a/.mrmr" -name '*.blob' | grep -q .
	only_alice_by_ticket
}

@test "the user may be left out, or have the realm; an encrypted share takes a ticket, too" {
	array_with "smb://$SHARES/private/b"
	run -0 mrmr add --mkdir -o auth=kerberos -o encryption=required \
		whole="smb://alice%40TESTS.EXAMPLE@$SHARES/sealed/b"
	run -0 mrmr put in
	run -0 mrmr scrub
	[[ $output == *'drive share: '*'drive whole: '* ]]
	only_alice_by_ticket
}

@test "without a ticket, or with one that has expired, one line says so, and a share of guests stays out, too" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	while klist -s -c "$SERVER/expired"; do sleep 0.1; done
	for cache in "$PWD/nothing" "$SERVER/expired"; do
		for share in private guest; do
			KRB5CCNAME=FILE:$cache run -1 mrmr add --mkdir -o auth=kerberos \
				share="smb://alice@$SHARES/$share/refused"
			[ "${#lines[@]}" -eq 1 ]
			[[ $output == *'share: no ticket of Kerberos, or it has expired (kinit gets one)' ]]
		done
	done
	nobody
}

@test "a ticket of somebody else or of another realm is not used for the user that is named" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	KRB5CCNAME=FILE:$SERVER/bob run -1 mrmr add --mkdir -o auth=kerberos \
		share="smb://alice@$SHARES/private/refused"
	[[ $output == *'share: the ticket is of bob@TESTS.EXAMPLE, not of alice' ]]
	for user in alic alice2 alice%40OTHER.EXAMPLE alice%40TESTS; do
		run -1 mrmr add --mkdir -o auth=kerberos share="smb://$user@$SHARES/private/refused"
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"the ticket is of alice@TESTS.EXAMPLE, not of ${user/'%40'/@}" ]]
	done
	nobody
}

@test "whom the server does not take is named; a share of guests does not take them as guests" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	for share in private guest; do
		KRB5CCNAME=FILE:$SERVER/bob run -1 mrmr add --mkdir -o auth=kerberos \
			share="smb://$SHARES/$share/refused"
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"smb://$SHARES/$share/refused: the server refuses bob@TESTS.EXAMPLE" ]]
	done
	run -1 mrmr add --mkdir -o auth=kerberos share="smb://alice@pac.tests.example:$PORT/private/refused"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *': it does not take the ticket of alice@TESTS.EXAMPLE, or does not speak SMB 2 or 3' ]]
	nobody
}

@test "a host that Kerberos does not know, an address, a password beside: one line says which" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 >recovery 2>&1
	for host in unknown.tests.example localhost; do
		for url in "alice@$host:$PORT/private" "$host:$PORT/guest"; do
			run -1 mrmr add --mkdir -o auth=kerberos share="smb://$url/refused"
			echo "$output"
			[ "${#lines[@]}" -eq 1 ]
			[[ $output == *"no such host, or Kerberos does not know it as cifs/$host" ]]
		done
	done
	for host in 127.0.0.1 '[::1]'; do
		run -2 mrmr add --mkdir -o auth=kerberos share="smb://alice@$host:$PORT/private/refused"
		[[ ${lines[0]} == *'Kerberos knows a host by its name, not by its address' ]]
	done
	(umask 077 && echo wonderland >password)
	run -2 mrmr add --mkdir -o auth=kerberos -o password=file:password \
		share="smb://alice@$SHARES/private/refused"
	[[ ${lines[0]} == *'a password without a user, or with Kerberos' ]]
	nobody
}

@test "while nobody gives tickets those for the server that are there already will do, and no others" {
	array_with "smb://alice@$SHARES/private/c"
	kinit -k -t "$SERVER/bob.keytab" -c others bob
	"$servers/smbd-krb.sh" halt "$SERVER"
	run -0 --separate-stderr mrmr put in
	put_said=$stderr
	KRB5CCNAME=FILE:$PWD/others run -1 mrmr add --mkdir -o auth=kerberos \
		other="smb://bob@$SHARES/private/refused"
	"$servers/smbd-krb.sh" resume "$SERVER"
	[ "$put_said" = "" ]
	[[ ${lines[-1]} == *': no ticket for cifs/server.tests.example: unable to reach any KDC'* ]]
	[ -z "$(find "$SERVER/smbd/data" -path '*/refused*')" ]
}

# KDCs count in whole seconds: a ticket of 4 is good for 3 at least. The share takes 5 for what is put.
@test "a ticket that expires in the middle of a put: it goes on without the share, and what is owed comes later" {
	array_with "smb://alice@$SHARES/private/d" -o limit-upload=60K
	head -c 300000 /dev/urandom >in/more
	kinit -l 4s -k -t "$SERVER/alice.keytab" alice
	run -0 --separate-stderr mrmr put in
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *'drive share: no ticket of Kerberos, or it has expired (kinit gets one): not written to'* ]]
	kinit -k -t "$SERVER/alice.keytab" alice
	run -0 mrmr set share.limit-upload=0
	run -0 mrmr put in
	run -0 mrmr scrub
	[[ $output == *'drive share: '*'no damage found'* ]]
	mv d1 away
	run -0 mrmr get latest --to out
	same out
	only_alice_by_ticket
}

@test "a ticket that is renewed in time carries a put beyond the end of the old one" {
	array_with "smb://alice@$SHARES/private/e" -o limit-upload=60K
	head -c 300000 /dev/urandom >in/more
	kinit -l 4s -k -t "$SERVER/alice.keytab" alice
	mrmr put in >said 2>&1 &
	put=$!
	for ((i = 0; i < 3000; i++)); do
		! find "$SERVER/smbd/data/private/e" -name '*.blob' 2>/dev/null | grep -q . || break
		sleep 0.02
	done
	kinit -k -t "$SERVER/alice.keytab" alice
	rc=0
	wait $put || rc=$?
	cat said
	[ "$rc" -eq 0 ]
	run -0 grep SESSION_EXPIRED "$SERVER/smbd/log/smbd"
	run -1 grep warning said
	only_alice_by_ticket
}
