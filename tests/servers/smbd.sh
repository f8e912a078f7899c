#!/usr/bin/env bash
# Samba smbd: shares of the user alice (private; sealed: SMB 3 encryption required; folded: names in any
# case; readonly) and of guests (guest). Needs: samba libnss-wrapper.
#
# usage: smbd.sh start DIR PORT | stop DIR
#        smbd.sh halt DIR | resume DIR	the server is gone; it is back
#        smbd.sh narrow DIR MIB		it is back, and finds the disk full at so many MiB of a file
# With REALM and KEYTAB in the environment it takes tickets of Kerberos, too; log/smbd has who logged in how, and which requests failed.
# Accounts are smbd's own: a passwd file by libnss-wrapper, passwords in a file of DIR.
. "$(dirname "$0")/lib.sh"

# Without root smbd can act only as whoever runs it: all accounts are that one.
accounts() {
	local me group name
	me=$(id -u) group=$(id -g)
	for name in nobody alice; do
		echo "$name:x:$me:$group::/:/bin/false"
	done >"$DIR/passwd"
	[ "$me" = 0 ] || echo 'root:x:0:0::/:/bin/sh' >>"$DIR/passwd"
	printf '%s\n' "alice:x:$group:" >"$DIR/group"
	[ "$group" = 0 ] || echo root:x:0: >>"$DIR/group"
}

share() { # NAME LINE...
	local name=$1
	shift
	mkdir -p "$DIR/data/$name"
	chmod 777 "$DIR/data/$name"
	printf '[%s]\n\tpath = %s\n\tread only = no\n' "$name" "$DIR/data/$name"
	printf '\t%s\n' "$@"
}

configure() {
	mkdir -p "$DIR"/{lock,state,cache,private,ncalrpc,pid}
	chmod 755 "$DIR" "$DIR/data" "$DIR/ncalrpc"
	cat >"$DIR/smb.conf" <<-END
	[global]
		workgroup = TESTS
		netbios name = SERVER
		server role = standalone server
		interfaces = 127.0.0.1
		bind interfaces only = yes
		smb ports = $PORT
		disable netbios = yes
		private dir = $DIR/private
		passdb backend = tdbsam:$DIR/private/passdb.tdb
		lock directory = $DIR/lock
		state directory = $DIR/state
		cache directory = $DIR/cache
		pid directory = $DIR/pid
		ncalrpc dir = $DIR/ncalrpc
		map to guest = Bad User
		guest account = nobody
		load printers = no
		printing = bsd
		printcap name = /dev/null
		disable spoolss = yes
		rpc start on demand helpers = no
		server min protocol = SMB2_02
		case sensitive = yes
		mangled names = no
	END
	[ -z "${KEYTAB:-}" ] || cat >>"$DIR/smb.conf" <<-END
		realm = $REALM
		kerberos method = dedicated keytab
		dedicated keytab file = FILE:$KEYTAB
		log level = 0 auth_audit:4 smb2:3
	END
	{
		share private 'valid users = alice'
		share sealed 'valid users = alice' 'smb encrypt = required'
		share guest 'guest ok = yes'
		share folded 'valid users = alice' 'case sensitive = no' 'mangled names = yes'
		# Each connection has files of its own.
		share split 'valid users = alice' "path = $DIR/data/split/%d" \
			"preexec = mkdir -p $DIR/data/split/%d"
		share readonly 'valid users = alice' 'read only = yes'
	} >>"$DIR/smb.conf"
}

launch() {
	export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$DIR/passwd NSS_WRAPPER_GROUP=$DIR/group
	[ -e "$DIR/private/passdb.tdb" ] ||
		printf '%s\n' wonderland wonderland |
		pdbedit -s "$DIR/smb.conf" -a -t -u alice >"$DIR/log/pdbedit" 2>&1 ||
		die "no account: $DIR/log/pdbedit"
	spawn smbd smbd --foreground --no-process-group --debug-stdout -s "$DIR/smb.conf" -l "$DIR/log"
	unset LD_PRELOAD
	wait_for smbd answers "$PORT"
}

start() {
	PATH=$PATH:/usr/sbin
	need smbd samba
	pkg-config --exists nss_wrapper || need libnss_wrapper.so libnss-wrapper
	accounts
	configure
	launch
	secret password wonderland
	place KIND smb
	place URL "smb://alice@127.0.0.1:$PORT/private"
	place OPTIONS "{\"password\": \"file:$DIR/password\"}"
}

do_halt() { stop_one smbd; }
do_resume() {
	PATH=$PATH:/usr/sbin
	launch
}

# No file may be longer than MIB: to write more is to find the disk full.
do_narrow() { # MIB
	PATH=$PATH:/usr/sbin
	stop_one smbd
	(
		trap '' XFSZ
		ulimit -f $(($1 * 1024))
		launch
	)
}

server "$@"
