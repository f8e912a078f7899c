#!/usr/bin/env bash
# ProFTPD's SFTP (mod_sftp), with a key and with a password. Needs: proftpd-core proftpd-mod-crypto
# openssh-client openssl.
#
# usage: mod_sftp.sh start DIR PORT | stop DIR
# The user is alice: DIR/id_ed25519 or DIR/id_rsa, or the password in DIR/password.
set -u
. "$(dirname "$0")/lib.sh"

start() {
	local type
	need proftpd proftpd-core
	[ -e /usr/lib/proftpd/mod_sftp.so ] || need mod_sftp proftpd-mod-crypto
	need ssh-keygen openssh-client
	need openssl openssl
	for type in ed25519 ecdsa; do
		ssh-keygen -q -m PEM -t $type -N '' -f "$DIR/host_$type" -C host || die 'no host keys'
	done
	mkdir "$DIR/authorized"
	for type in ed25519 rsa; do
		ssh-keygen -q -m PEM -t $type -N '' -f "$DIR/id_$type" -C "$type" || die 'no keys'
		ssh-keygen -e -f "$DIR/id_$type.pub" >>"$DIR/authorized/alice"
	done
	awk -v host="[127.0.0.1]:$PORT" '{ print host, $1, $2 }' "$DIR"/host_*.pub >"$DIR/known_hosts"
	secret password wonderland
	printf 'alice:%s:%s:%s::%s:/bin/sh\n' "$(openssl passwd -6 wonderland)" "$(id -u)" "$(id -g)" \
		"$DIR/data" >"$DIR/passwd"
	printf 'alice:x:%s:\n' "$(id -g)" >"$DIR/group"
	chmod 600 "$DIR/passwd" "$DIR/group"
	cat >"$DIR/proftpd.conf" <<-END
	ModulePath /usr/lib/proftpd
	LoadModule mod_sftp.c
	ServerName test
	ServerType standalone
	DefaultAddress 127.0.0.1
	SocketBindTight on
	Port $PORT
	UseIPv6 off
	User $(id -un)
	Group $(id -gn)
	RootLogin on
	PidFile $DIR/pid
	ScoreboardFile $DIR/scoreboard
	DelayEngine off
	MaxInstances 60
	SystemLog $DIR/log/system
	TransferLog none
	WtmpLog off
	AuthOrder mod_auth_file.c
	AuthUserFile $DIR/passwd
	AuthGroupFile $DIR/group
	RequireValidShell off
	AllowOverwrite on
	SFTPEngine on
	SFTPLog $DIR/log/sftp
	SFTPHostKey $DIR/host_ed25519
	SFTPHostKey $DIR/host_ecdsa
	SFTPAuthorizedUserKeys file:$DIR/authorized/%u
	SFTPAuthMethods publickey password
	END
	spawn proftpd proftpd -n -q -c "$DIR/proftpd.conf"
	wait_for proftpd answers "$PORT"
	place KIND sftp
	place URL "sftp://alice@127.0.0.1:$PORT$DIR/data"
	place OPTIONS "{\"identity\":\"$DIR/id_ed25519\",\"known_hosts\":\"$DIR/known_hosts\"}"
}

server "$@"
