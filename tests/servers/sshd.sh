#!/usr/bin/env bash
# OpenSSH with SFTP and keys. Needs: openssh-server openssh-client.
#
# usage: sshd.sh start DIR PORT | stop DIR
#        sshd.sh rekey DIR		new host keys; DIR/known_hosts has the old ones
#        sshd.sh again DIR		after stop, on the same port
#        sshd.sh hostile DIR MODE	its answers are spoiled by hostile_sftp.py
#        sshd.sh full DIR SHIM BYTES	the disk is full after so many; SHIM: tests/preload/full.so
# The user is who starts it. DIR/id_ed25519 and DIR/id_ecdsa may log in; so may DIR/id_locked, which has
# a passphrase (DIR/passphrase). Started by root, where libnss-wrapper is there, it also knows alice, who is
# root by another name and has the password in DIR/password.
set -u
. "$(dirname "$0")/lib.sh"

sshd=/usr/sbin/sshd

host_keys() {
	local type
	for type in ed25519 ecdsa; do
		ssh-keygen -q -t $type -N '' -f "$DIR/host_$type" -C host || die 'no host keys'
	done
}

wrapper=$(ls /usr/lib/*/libnss_wrapper.so 2>/dev/null)

users() {
	[ "$(id -u)" = 0 ] && [ -n "$wrapper" ] && command -v openssl >/dev/null || return
	secret password wonderland
	getent passwd >"$DIR/passwd"
	getent group >"$DIR/group"
	sed 's/:.*/:*:19000:0:99999:7:::/' "$DIR/passwd" >"$DIR/shadow"
	echo "alice:x:0:0:alice:$DIR:/bin/sh" >>"$DIR/passwd"
	echo "alice:$(openssl passwd -6 wonderland):19000:0:99999:7:::" >>"$DIR/shadow"
}

launch() {
	local as=()
	[ ! -e "$DIR/shadow" ] || as=(env "LD_PRELOAD=$wrapper" "NSS_WRAPPER_PASSWD=$DIR/passwd"
		"NSS_WRAPPER_GROUP=$DIR/group" "NSS_WRAPPER_SHADOW=$DIR/shadow")
	# It wants its own whole path, to start itself for each connection.
	spawn sshd "${as[@]}" $sshd -D -e -f "$DIR/sshd_config"
	wait_for sshd answers "$PORT"
}

start() {
	local type user
	need $sshd openssh-server
	need ssh-keygen openssh-client
	user=$(id -un)
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	host_keys
	users
	for type in ed25519 ecdsa; do
		ssh-keygen -q -t $type -N '' -f "$DIR/id_$type" -C "$type" || die 'no keys'
	done
	secret passphrase 'open sesame'
	ssh-keygen -q -t ed25519 -N 'open sesame' -f "$DIR/id_locked" -C locked || die 'no keys'
	cat "$DIR"/id_*.pub >"$DIR/authorized_keys"
	awk -v host="[127.0.0.1]:$PORT" '{ print host, $1, $2 }' "$DIR"/host_*.pub >"$DIR/known_hosts"
	cat >"$DIR/sshd_config" <<-END
	ListenAddress 127.0.0.1
	Port $PORT
	HostKey $DIR/host_ed25519
	HostKey $DIR/host_ecdsa
	PidFile none
	UsePAM no
	UseDNS no
	StrictModes no
	PermitRootLogin yes
	AuthorizedKeysFile $DIR/authorized_keys
	PasswordAuthentication $([ -e "$DIR/shadow" ] && echo yes || echo no)
	KbdInteractiveAuthentication no
	MaxStartups 200
	MaxSessions 100
	PrintMotd no
	Subsystem sftp internal-sftp
	END
	launch
	place KIND sftp
	place URL "sftp://$user@127.0.0.1:$PORT$DIR/data"
	place OPTIONS "{\"identity\":\"$DIR/id_ed25519\",\"known_hosts\":\"$DIR/known_hosts\"}"
}

do_rekey() {
	stop_one sshd
	rm -f "$DIR"/host_*
	host_keys
	launch
}

subsystem() { # COMMAND...
	stop_one sshd
	sed -i "s|^Subsystem .*|Subsystem sftp $*|" "$DIR/sshd_config"
	launch
}

do_again() {
	subsystem internal-sftp
}

do_full() { # SHIM BYTES
	subsystem /usr/bin/env "LD_PRELOAD=$1" "FULL_BYTES=$2" /usr/lib/openssh/sftp-server
}

do_hostile() { # MODE
	echo "$1" >"$DIR/mode"
	grep -q hostile_sftp.py "$DIR/sshd_config" ||
		subsystem /usr/bin/python3 "$(cd "$(dirname "$0")" && pwd)/hostile_sftp.py" "$DIR/mode"
}

server "$@"
