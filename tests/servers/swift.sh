#!/usr/bin/env bash
# OpenStack Swift on loopback, one replica, all of it in one folder: its own API (tempauth, v1) and
# S3 (s3api), from one proxy.
# Needs: swift-proxy swift-account swift-container swift-object memcached. Ports: PORT proxy, +1
# account, +2 container, +3 object, +4 memcached, +5 for TLS (swift.sh tls DIR PORT+5), as whose storage
# that of secure:tester is given.
#
# usage: swift.sh start DIR PORT | stop DIR
#        swift.sh break DIR PART	that part (account, container, object) has no disk: 503
#        swift.sh mend DIR		it is there again
#        swift.sh revoke DIR		all tokens are forgotten: 401
#        swift.sh keystone DIR		Keystone v3 on PORT+6, and on PORT+7 a proxy that takes its tokens:
#		user and project admin, region one, the password in DIR/password (packages: python3-keystone)
# DIR/place.env is the place of Swift's own API, DIR/place-s3.env that of S3 (with pages of 1,000
# names: more than one of them). Users: test:tester with the key swift-canary-key, test:reader (reading),
# who may do nothing, admin:admin (ruling), who sets quotas, and proxied:tester (the key of test:tester),
# whose storage is given as being wherever the log-in came in, as through a proxy.
# TOKEN_LIFE=N: tokens end after N seconds.
set -u
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

common() {
	cat <<-END
	[DEFAULT]
	bind_ip = 127.0.0.1
	bind_port = $1
	workers = 0
	user = $(id -un)
	swift_dir = $DIR/etc
	log_address = $DIR/run/no-log
	log_level = WARNING
	END
}

write_part() {
	common "$2" >"$DIR/etc/$1-server.conf"
	cat >>"$DIR/etc/$1-server.conf" <<-END
	devices = $DIR/data/$1
	mount_check = false
	disable_fallocate = true
	fallocate_reserve = 0
	[pipeline:main]
	pipeline = $1-server
	[app:$1-server]
	use = egg:swift#$1
	END
}

write_proxy() {
	{
		common "$PORT"
		cat <<-END
		[pipeline:main]
		pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-server
		[app:proxy-server]
		use = egg:swift#proxy
		account_autocreate = true
		# A part that is mended counts at once.
		error_suppression_interval = 0
		[filter:cache]
		use = egg:swift#memcache
		memcache_servers = 127.0.0.1:$((PORT + 4))
		[filter:s3api]
		use = egg:swift#s3api
		s3_acl = false
		allow_multipart_uploads = true
		min_segment_size = 5242880
		check_bucket_owner = false
		location = us-east-1
		[filter:tempauth]
		use = egg:swift#tempauth
		token_life = ${TOKEN_LIFE:-86400}
		user_test_tester = swift-canary-key .admin http://127.0.0.1:$PORT/v1/AUTH_test
		user_test_reader = reading http://127.0.0.1:$PORT/v1/AUTH_test
		user_secure_tester = swift-canary-key .admin https://localhost:$((PORT + 5))/v1/AUTH_secure
		user_proxied_tester = swift-canary-key .admin
		user_admin_admin = ruling .admin .reseller_admin http://127.0.0.1:$PORT/v1/AUTH_admin
		[filter:container-quotas]
		use = egg:swift#container_quotas
		[filter:account-quotas]
		use = egg:swift#account_quotas
		[filter:versioned_writes]
		use = egg:swift#versioned_writes
		allow_object_versioning = true
		END
		local name
		for name in catch_errors gatekeeper healthcheck listing_formats bulk copy slo dlo symlink; do
			printf '[filter:%s]\nuse = egg:swift#%s\n' $name $name
		done
	} >"$DIR/etc/proxy-server.conf"
}

write_config() {
	cat >"$DIR/etc/swift.conf" <<-END
	[swift-hash]
	swift_hash_path_prefix = mrmr
	swift_hash_path_suffix = mrmr
	[storage-policy:0]
	name = only
	default = yes
	END
	write_part account $((PORT + 1))
	write_part container $((PORT + 2))
	write_part object $((PORT + 3))
	write_proxy
}

places() {
	secret key swift-canary-key
	secret access_key test:tester
	place KIND swift
	place URL "swift+http://127.0.0.1:$PORT/auth/v1.0?container={}"
	place OPTIONS "{\"user\":\"test:tester\",\"key\":\"file:$DIR/key\"}"
	cat >"$DIR/place-s3.env" <<-END
	MRMR_PLACE_KIND=s3
	MRMR_PLACE_URL=s3+http://127.0.0.1:$PORT/{}?region=us-east-1
	MRMR_PLACE_OPTIONS={"access_key":"file:$DIR/access_key","secret_key":"file:$DIR/key","addressing":"path"}
	MRMR_PLACE_LISTED=1100
	END
}

start_part() {
	if [ "$1" = memcached ]; then
		# shellcheck disable=SC2046
		spawn memcached memcached -l 127.0.0.1 -p "$(port_of memcached)" -U 0 -m 32 -t 1 \
			$([ "$(id -u)" = 0 ] && echo -u nobody)
	else
		spawn "$1" /usr/bin/python3 -I "$here/swift_part.py" serve "$DIR" "$1"
	fi
}

port_of() {
	case $1 in
	proxy) echo "$PORT" ;;
	account) echo $((PORT + 1)) ;;
	container) echo $((PORT + 2)) ;;
	object) echo $((PORT + 3)) ;;
	memcached) echo $((PORT + 4)) ;;
	keystone) echo $((PORT + 6)) ;;
	keystone-proxy) echo $((PORT + 7)) ;;
	*) die "there is no part $1" ;;
	esac
}

start() {
	local part
	for part in proxy account container object; do
		need swift-$part-server swift-$part
	done
	need memcached memcached
	mkdir -p "$DIR/etc" "$DIR"/data/{account,container,object}/d1 || exit 1
	write_config
	start_part memcached
	/usr/bin/python3 -I "$here/swift_part.py" rings "$DIR" "$PORT" || die 'no rings'
	for part in account container object proxy; do
		start_part $part
	done
	for part in memcached account container object proxy; do
		wait_for $part answers "$(port_of $part)"
	done
	places
}

do_break() {
	mv "$DIR/data/$1/d1" "$DIR/data/$1/away" || die "there is no disk of $1"
	# What was on its way makes its folder anew, as long as it finds no file there.
	local tries=100
	until rm -rf --one-file-system "$DIR/data/$1/d1" && { : >"$DIR/data/$1/d1"; } 2>/dev/null; do
		[ $((tries -= 1)) -gt 0 ] || die "the disk of $1 comes back"
	done
}

do_mend() {
	local part
	for part in account container object; do
		[ -d "$DIR/data/$part/away" ] || continue
		rm -rf --one-file-system "$DIR/data/$part/d1"
		mv "$DIR/data/$part/away" "$DIR/data/$part/d1"
	done
}

# They are in memcached alone.
do_revoke() {
	exec 3<>"/dev/tcp/127.0.0.1/$(port_of memcached)"
	printf 'flush_all\r\nquit\r\n' >&3
	cat <&3
}

write_keystone_proxy() {
	sed -e "s/^bind_port = .*/bind_port = $(port_of keystone-proxy)/" \
		-e '/^pipeline =/s/bulk s3api tempauth/authtoken keystoneauth/' "$DIR/etc/proxy-server.conf" &&
		cat <<-END
		[filter:authtoken]
		paste.filter_factory = keystonemiddleware.auth_token:filter_factory
		www_authenticate_uri = http://127.0.0.1:$(port_of keystone)/v3
		auth_url = http://127.0.0.1:$(port_of keystone)/v3
		interface = public
		cache = swift.cache
		auth_type = password
		user_domain_id = default
		project_domain_id = default
		project_name = admin
		username = admin
		password = keystone-canary
		[filter:keystoneauth]
		use = egg:swift#keystoneauth
		operator_roles = admin
		reseller_prefix = KEY
		END
}

do_keystone() {
	[ -e /usr/lib/python3/dist-packages/keystone/__init__.py ] || {
		echo 'python3-keystone is missing' >&2
		exit 77
	}
	secret password keystone-canary
	write_keystone_proxy >"$DIR/etc/keystone-proxy-server.conf"
	spawn keystone /usr/bin/python3 -I "$here/keystone_part.py" "$DIR" "$(port_of keystone)" \
		"http://127.0.0.1:$(port_of keystone-proxy)/v1/KEY_%(tenant_id)s"
	start_part keystone-proxy
	wait_for keystone answers "$(port_of keystone)"
	wait_for keystone-proxy answers "$(port_of keystone-proxy)"
}

server "$@"
