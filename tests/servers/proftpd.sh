#!/usr/bin/env bash
# ProFTPD. Needs: proftpd-core proftpd-mod-crypto openssl.
# Ports: PORT explicit TLS, +1 implicit TLS, +2 without TLS, and without MLSD; data: any that is free.
#
# usage: proftpd.sh start DIR PORT | stop DIR
#        proftpd.sh kill DIR		it is gone, in the middle of whatever it does
#        proftpd.sh again DIR		and there again
# The user alice, whose password is in DIR/password, has DIR/data, which is where she gets to.
set -u
. "$(dirname "$0")/lib.sh"

proftpd=/usr/sbin/proftpd

passwords() {
	secret password 'wonder land %2'
	(
		umask 077
		printf 'alice:%s:%s:%s::%s:/bin/sh\n' \
			"$(openssl passwd -6 -salt salt 'wonder land %2')" \
			"$(id -u)" "$(id -g)" "$DIR/data" >"$DIR/passwd"
		printf 'alice:x:%s:\n' "$(id -g)" >"$DIR/group"
	)
}

tls() { # OPTION...
	cat <<-END
	TLSEngine on
	TLSLog $DIR/log/tls
	TLSProtocol TLSv1.2 TLSv1.3
	TLSECCertificateFile $DIR/server.pem
	TLSECCertificateKeyFile $DIR/server.key
	TLSRequired on
	END
	[ $# -eq 0 ] || echo "TLSOptions $*"
}

config() {
	cat <<-END
	ModulePath /usr/lib/proftpd
	LoadModule mod_tls.c
	ServerName test
	ServerType standalone
	DefaultAddress 127.0.0.1
	SocketBindTight on
	UseIPv6 off
	UseReverseDNS off
	Port $PORT
	User $(id -un)
	Group $(id -gn)
	PidFile $DIR/proftpd.pid
	ScoreboardFile $DIR/scoreboard
	DelayEngine off
	MaxInstances 100
	SystemLog $DIR/log/system
	TransferLog none
	WtmpLog off
	<Global>
	AuthOrder mod_auth_file.c
	AuthUserFile $DIR/passwd
	AuthGroupFile $DIR/group
	RequireValidShell off
	RootLogin on
	AllowOverwrite on
	AllowStoreRestart on
	AllowRetrieveRestart on
	UseSendfile off
	TimeoutIdle 600
	</Global>
	$(tls)
	<VirtualHost 127.0.0.1>
	Port $((PORT + 1))
	$(tls UseImplicitSSL)
	</VirtualHost>
	<VirtualHost 127.0.0.1>
	Port $((PORT + 2))
	ListOptions -a
	FactsAdvertise off
	<Limit MLSD MLST>
	DenyAll
	</Limit>
	</VirtualHost>
	END
}

launch() {
	spawn proftpd $proftpd -n -q -c "$DIR/proftpd.conf"
	wait_for proftpd answers $((PORT + 2))
}

# place_of NAME URL OPTIONS TESTS: one more place file beside place.env, for what is different there.
place_of() {
	printf 'MRMR_PLACE_%s\n' KIND=ftp "URL=$2" "OPTIONS=$3" "TESTS=$4" >"$DIR/place$1.env"
}

start() {
	local login
	need $proftpd proftpd-core
	[ -e /usr/lib/proftpd/mod_tls.so ] || need mod_tls proftpd-mod-crypto
	need openssl openssl
	passwords
	test_ca
	config >"$DIR/proftpd.conf"
	launch
	login="\"user\":\"alice\",\"password\":\"file:$DIR/password\""
	place KIND ftp
	place URL "ftps://127.0.0.1:$PORT/explicit"
	place OPTIONS "{$login,\"ca\":\"$DIR/ca.pem\",\"connections\":\"4\"}"
	place_of -implicit "ftps://127.0.0.1:$((PORT + 1))/" "{$login,\"ca\":\"$DIR/ca.pem\"}" \
		'what_was*'
	place_of -plain "ftp://127.0.0.1:$((PORT + 2))/$DIR/data/plain" "{$login}" '*list*'
}

do_kill() {
	local id since
	read -r id since <"$DIR/run/proftpd"
	kill -KILL -- "-$id"
}

do_again() {
	rm -f "$DIR/run/proftpd" "$DIR/proftpd.pid"
	launch
}

server "$@"
