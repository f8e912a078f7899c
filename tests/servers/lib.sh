# Shared by the scripts that start servers for tests. Sourced by bash; not run.
#
# A server's script is called as
#	SERVER.sh start DIR PORT	returns when it answers on 127.0.0.1:PORT; more: PORT+1 to PORT+49
#	SERVER.sh stop DIR
# and keeps all it writes in DIR. It leaves DIR/place.env, lines of MRMR_PLACE_KIND, MRMR_PLACE_URL and
# so on for tests/support/place.h, as they are (no quotes); secrets are files with mode 0600 in DIR,
# named there as file:PATH. No root is needed where the server does without.
#
# It defines start and, if stopping processes is not all, stop; and ends with: server "$@"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# need COMMAND PACKAGE: without it, the tests of this server cannot run (77).
need() {
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null && return
	[ -x "$1" ] && return
	echo "$2 is missing" >&2
	exit 77
}

# ---- processes: each is known by its id and start time, so that no other one is taken for it ----

started() { # ID
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

alive() { # NAME
	local id since
	read -r id since 2>/dev/null <"$DIR/run/$1" || return 1
	[ -n "$since" ] && [ "$(started "$id")" = "$since" ]
}

# spawn NAME COMMAND...: in the background, in a session of its own; what it says is in DIR/log/NAME.
spawn() {
	local name=$1
	shift
	setsid "$@" </dev/null >>"$DIR/log/$name" 2>&1 &
	echo "$! $(started $!)" >"$DIR/run/$name"
}

# stop_one NAME: with its children, and waits for it.
stop_one() {
	local id since tries=0
	alive "$1" || {
		rm -f "$DIR/run/$1"
		return 0
	}
	read -r id since <"$DIR/run/$1"
	kill -TERM -- "-$id" 2>/dev/null || kill -TERM "$id" 2>/dev/null
	while alive "$1" && [ $((tries += 1)) -le 250 ]; do sleep 0.02; done
	alive "$1" && kill -KILL -- "-$id" 2>/dev/null
	rm -f "$DIR/run/$1"
}

stop_all() {
	local file
	for file in "$DIR"/run/*; do
		[ -f "$file" ] && stop_one "${file##*/}"
	done
	return 0
}

answers() { # PORT
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# wait_for NAME COMMAND...: until it succeeds, for 2 min at most and while the process NAME lives.
wait_for() {
	local name=$1 tries=0
	shift
	until "$@" >/dev/null 2>&1; do
		alive "$name" && [ $((tries += 1)) -le 2400 ] && sleep 0.05 && continue
		tail -n 15 "$DIR/log/$name" >&2
		stop_all
		die "$name does not answer"
	done
}

# claim_ports [FIRST]: the first of 50 in a row which nobody else gets while the calling script runs, or
# has in use. All are below those of outgoing connections. FIRST: where to begin to look.
claim_ports() (
	folder=/tmp/mrmr-ports.$(id -u) used=() first=$((${1:-20000} / 50 - 400))
	[ $# -gt 0 ] || first=$(($$ % 255))
	mkdir -p -m 700 "$folder" && exec 9>"$folder/lock" && flock 9 || die "no lock in $folder"
	for port in $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) .*/\1/p'); do
		used[16#$port / 50]=1
	done
	for ((i = 0; i < 255; i++)); do
		row=$((400 + (first + i) % 255))
		[ -z "${used[row]:-}" ] || continue
		if read -r id since 2>/dev/null <"$folder/$row" && [ "$(started "$id")" = "$since" ]; then
			continue
		fi
		echo "$$ $(started $$)" >"$folder/$row"
		echo $((row * 50))
		return
	done
	die 'no free ports'
)

# ---- files ----

# secret NAME TEXT: a file to refer to as file:$DIR/NAME.
secret() {
	(umask 077 && printf '%s\n' "$2" >"$DIR/$1")
}

# place KEY VALUE: MRMR_PLACE_KEY of this server.
place() {
	printf 'MRMR_PLACE_%s=%s\n' "$1" "$2" >>"$DIR/place.env"
}

# test_ca: DIR/ca.pem, and DIR/server.pem with DIR/server.key for localhost, *.s3.localhost and 127.0.0.1.
test_ca() {
	[ ! -e "$DIR/server.pem" ] || return 0
	(
		umask 077
		cd "$DIR" || exit 1
		key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
		# shellcheck disable=SC2086
		openssl req -x509 $key -keyout ca.key -out ca.pem -days 3650 -subj '/CN=test CA' \
			-addext basicConstraints=critical,CA:TRUE \
			-addext keyUsage=critical,keyCertSign,cRLSign &&
			openssl req $key -keyout server.key -out server.csr -subj /CN=localhost &&
			printf '%s\n' subjectAltName=DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost,IP:127.0.0.1 \
				basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >server.ext &&
			openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
				-days 3650 -extfile server.ext -out server.pem
	) >>"$DIR/log/openssl" 2>&1 || die "no certificates: $DIR/log/openssl"
}

# SERVER.sh tls DIR TLS_PORT: nginx before a server that speaks HTTP, with a certificate of test_ca.
do_tls() {
	need nginx nginx-light
	need openssl openssl
	test_ca
	mkdir -p "$DIR/temp" || exit 1
	cat >"$DIR/tls.conf" <<-END
	daemon off;
	$([ "$(id -u)" != 0 ] || echo 'user root;')
	worker_processes 1;
	pid $DIR/run/tls.pid;
	error_log $DIR/log/tls warn;
	events { worker_connections 256; }
	http {
		access_log off;
		client_max_body_size 0;
		$(printf '%s_temp_path %s;\n' client_body "$DIR/temp/body" proxy "$DIR/temp/proxy" \
			fastcgi "$DIR/temp/fastcgi" uwsgi "$DIR/temp/uwsgi" scgi "$DIR/temp/scgi")
		server {
			listen 127.0.0.1:$1 ssl;
			ssl_certificate $DIR/server.pem;
			ssl_certificate_key $DIR/server.key;
			location / {
				proxy_pass http://127.0.0.1:$PORT;
				proxy_set_header Host \$http_host;
				proxy_http_version 1.1;
				proxy_request_buffering off;
			}
		}
	}
	END
	spawn tls nginx -c "$DIR/tls.conf" -e "$DIR/log/tls"
	wait_for tls answers "$1"
}

# ---- what is called ----

server() {
	local verb=${1:-} call
	DIR=${2:-}
	[ "${DIR#/}" != "$DIR" ] || die 'usage: start DIR PORT | stop DIR (an absolute path)'
	case $verb in
	start)
		PORT=${3:?}
		mkdir -p "$DIR/run" "$DIR/log" "$DIR/data" || exit 1
		: >"$DIR/place.env"
		start
		echo "$PORT" >"$DIR/port"
		echo "ready: ${0##*/} on 127.0.0.1:$PORT"
		;;
	stop)
		if declare -F stop >/dev/null; then
			stop
		else
			stop_all
		fi
		;;
	*)
		# What else it can do: break, mend, ...
		call=do_$verb
		declare -F "$call" >/dev/null || die "unknown: $verb"
		PORT=$(cat "$DIR/port")
		shift 2
		"$call" "$@"
		;;
	esac
}
