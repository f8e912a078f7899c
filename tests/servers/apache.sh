#!/usr/bin/env bash
# Apache httpd with mod_dav. Needs: apache2-bin openssl. Ports: PORT https, +1 http, +2 https with a
# certificate for another host, +3 https with one that has expired.
#
# usage: apache.sh start DIR PORT | stop DIR
#        apache.sh kill DIR | again DIR	the server is gone; it is back
# /dav: log-in by basic; /digest: by digest; /full: a PUT of more than 64 KiB is 507; /readonly: no
# change is allowed. The user is alice, the password in DIR/password. place.env is /dav over TLS,
# place-digest.env /digest in plain text.
set -u
. "$(dirname "$0")/lib.sh"

modules=/usr/lib/apache2/modules

# Apache does not serve as root: as that it gets a folder that others may enter.
make_home() {
	HOME_DIR=$DIR
	if [ "$(id -u)" = 0 ]; then
		HOME_DIR=$(mktemp -d "${TMPDIR:-/tmp}/mrmr-apache.XXXXXX") || exit 1
		chmod 711 "$HOME_DIR"
	fi
	echo "$HOME_DIR" >"$DIR/home"
	mkdir -p "$HOME_DIR/locks" "$HOME_DIR"/data/{dav,digest,full,readonly}
	printf 'alice:%s\n' "$(openssl passwd -apr1 wonderland)" >"$HOME_DIR/basic.users"
	printf 'alice:test:%s\n' "$(printf alice:test:wonderland | md5sum | cut -d' ' -f1)" \
		>"$HOME_DIR/digest.users"
	[ "$(id -u)" != 0 ] || chown -R www-data "$HOME_DIR"
}

# certificate NAME HOST FROM TO: with the key of the server.
certificate() {
	(
		cd "$DIR" || exit 1
		mkdir -p "ca-$1" && : >"ca-$1/index" && echo 01 >"ca-$1/serial"
		openssl req -new -key server.key -subj "/CN=$2" -out "$1.csr" &&
			printf '%s\n' "subjectAltName=DNS:$2" basicConstraints=CA:FALSE \
				extendedKeyUsage=serverAuth >"$1.ext" &&
			printf '%s\n' '[ca]' "database=$DIR/ca-$1/index" "serial=$DIR/ca-$1/serial" \
				"new_certs_dir=$DIR/ca-$1" default_md=sha256 policy=any '[any]' \
				commonName=supplied >"$1.cnf" &&
			openssl ca -batch -config "$1.cnf" -name ca -cert ca.pem -keyfile ca.key \
				-startdate "$3" -enddate "$4" -extfile "$1.ext" -in "$1.csr" -out "$1.pem"
	) >>"$DIR/log/openssl" 2>&1 || die "no certificates: $DIR/log/openssl"
}

write_conf() {
	local module port=$PORT name
	cat <<-END
	ServerRoot $HOME_DIR
	ServerName localhost
	PidFile $HOME_DIR/locks/pid
	DefaultRuntimeDir $HOME_DIR/locks
	Mutex file:$HOME_DIR/locks default
	ErrorLog $DIR/log/error
	LogLevel warn
	LogFormat "%H %m %{Content-Length}i" version
	CustomLog $DIR/log/versions version
	Protocols h2 http/1.1
	END
	[ "$(id -u)" != 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
	for module in mpm_event authn_core authn_file authz_core authz_user auth_basic auth_digest \
		dav dav_fs http2 rewrite socache_shmcb ssl; do
		echo "LoadModule ${module}_module $modules/mod_$module.so"
	done
	cat <<-END
	StartServers 1
	ServerLimit 8
	ThreadsPerChild 32
	MinSpareThreads 4
	MaxSpareThreads 256
	MaxRequestWorkers 256
	KeepAlive On
	MaxKeepAliveRequests 0
	DavLockDB $HOME_DIR/locks/dav
	DocumentRoot $HOME_DIR/data
	<Directory $HOME_DIR/data>
	Require all granted
	Dav On
	</Directory>
	<LocationMatch "^/(dav|full|readonly)">
	AuthType Basic
	AuthName test
	AuthUserFile $HOME_DIR/basic.users
	Require valid-user
	</LocationMatch>
	<Location /digest>
	AuthType Digest
	AuthName test
	AuthDigestProvider file
	AuthUserFile $HOME_DIR/digest.users
	Require valid-user
	</Location>
	<Location /readonly>
	<LimitExcept GET HEAD OPTIONS PROPFIND>
	Require all denied
	</LimitExcept>
	</Location>
	<Location /full>
	RewriteEngine On
	RewriteCond %{REQUEST_METHOD} =PUT
	RewriteCond expr "%{HTTP:Content-Length} -gt 65536"
	RewriteRule .* - [R=507,L]
	</Location>
	Listen 127.0.0.1:$((PORT + 1))
	END
	for name in server '' wrong expired; do
		if [ -n "$name" ]; then
			cat <<-END
			Listen 127.0.0.1:$port
			<VirtualHost 127.0.0.1:$port>
			SSLEngine on
			SSLCertificateFile $DIR/$name.pem
			SSLCertificateKeyFile $DIR/server.key
			</VirtualHost>
			END
		fi
		port=$((port + 1))
	done
}

launch() {
	spawn httpd apache2 -d "$HOME_DIR" -f "$DIR/httpd.conf" -D FOREGROUND
	wait_for httpd answers $((PORT + 3))
}

start() {
	need apache2 apache2-bin
	need openssl openssl
	make_home
	test_ca
	certificate wrong other.example 20200101000000Z 20991231235959Z
	certificate expired localhost 20200101000000Z 20200201000000Z
	secret password wonderland
	write_conf >"$DIR/httpd.conf"
	launch
	place KIND webdav
	place URL "webdavs://localhost:$PORT/dav"
	place OPTIONS "{\"user\":\"alice\",\"password\":\"file:$DIR/password\",\"ca\":\"$DIR/ca.pem\"}"
	sed -e "s|=webdavs:.*|=webdav://alice@127.0.0.1:$((PORT + 1))/digest|" \
		-e "s|OPTIONS=.*|OPTIONS={\"password\":\"file:$DIR/password\"}|" \
		"$DIR/place.env" >"$DIR/place-digest.env"
}

stop() {
	local home
	stop_all
	home=$(cat "$DIR/home" 2>/dev/null) || return 0
	case ${home##*/} in
	mrmr-apache.*) rm -rf --one-file-system "$home" ;;
	esac
}

do_kill() {
	stop_one httpd
}

do_again() {
	HOME_DIR=$(cat "$DIR/home")
	launch
}

server "$@"
