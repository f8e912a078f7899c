#!/usr/bin/env bash
# nginx with its DAV module and dav-ext, which does not list names with a leading dot. Needs:
# nginx-light libnginx-mod-http-dav-ext openssl. Ports: PORT https, +1 http.
#
# usage: nginx.sh start DIR PORT | stop DIR
# /dav: log-in by basic, alice with the password in DIR/password. /bearer: "Bearer looking-glass",
# which is in DIR/token.
set -u
. "$(dirname "$0")/lib.sh"

ext=/usr/lib/nginx/modules/ngx_http_dav_ext_module.so

write_conf() {
	local methods='dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;'
	cat <<-END
	load_module $ext;
	daemon off;
	$([ "$(id -u)" != 0 ] || echo 'user root;')
	worker_processes 1;
	pid $DIR/pid;
	error_log $DIR/log/error warn;
	events { worker_connections 256; }
	http {
		access_log off;
		client_max_body_size 0;
		client_body_temp_path $DIR/temp/body;
		proxy_temp_path $DIR/temp/proxy;
		fastcgi_temp_path $DIR/temp/fastcgi;
		uwsgi_temp_path $DIR/temp/uwsgi;
		scgi_temp_path $DIR/temp/scgi;
		map \$http_authorization \$stranger { default 1; "Bearer looking-glass" 0; }
		server {
			listen 127.0.0.1:$PORT ssl;
			listen 127.0.0.1:$((PORT + 1));
			ssl_certificate $DIR/server.pem;
			ssl_certificate_key $DIR/server.key;
			keepalive_requests 100000;
			root $DIR/data;
			location /dav/ {
				auth_basic test;
				auth_basic_user_file $DIR/users;
				$methods
			}
			location /bearer/ {
				if (\$stranger) { return 401; }
				$methods
			}
		}
	}
	END
}

start() {
	need nginx nginx-light
	need openssl openssl
	[ -e "$ext" ] || {
		echo 'libnginx-mod-http-dav-ext is missing' >&2
		exit 77
	}
	test_ca
	mkdir -p "$DIR"/data/{dav,bearer} "$DIR/temp"
	secret password wonderland
	secret token looking-glass
	printf 'alice:%s\n' "$(openssl passwd -apr1 wonderland)" >"$DIR/users"
	write_conf >"$DIR/nginx.conf"
	spawn nginx nginx -e "$DIR/log/error" -c "$DIR/nginx.conf"
	wait_for nginx answers $((PORT + 1))
	place KIND webdav
	place URL "webdavs://alice@localhost:$PORT/dav"
	place OPTIONS "{\"password\":\"file:$DIR/password\",\"ca\":\"$DIR/ca.pem\"}"
}

server "$@"
