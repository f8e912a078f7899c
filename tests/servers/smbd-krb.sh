#!/usr/bin/env bash
# Samba smbd as smbd.sh starts it, which takes tickets of Kerberos, too, and the KDC of MIT that gives them:
# realm TESTS.EXAMPLE, users alice and bob (of whom smbd does not know). Needs: what smbd.sh does, and
# krb5-kdc krb5-admin-server krb5-user.
#
# usage: smbd-krb.sh start DIR PORT | stop DIR
#        smbd-krb.sh halt DIR | resume DIR	the KDC is gone; it is back
# DIR/env: what to set for kinit and for what is to log in; the keys of the users are DIR/USER.keytab.
# Names of this host, by libnss-wrapper: server.tests.example; pac.tests.example, for which tickets have
# authorization data, which a stand-alone smbd refuses; unknown.tests.example, of which the KDC does not know.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

configure() {
	export KRB5_CONFIG=$DIR/krb5.conf KRB5_KDC_PROFILE=$DIR/kdc.conf
	echo '127.0.0.1 server.tests.example pac.tests.example unknown.tests.example' >"$DIR/hosts"
	cat >"$DIR/krb5.conf" <<-END
	[libdefaults]
		default_realm = TESTS.EXAMPLE
		default_keytab_name = FILE:$DIR/none
		dns_lookup_realm = false
		dns_lookup_kdc = false
		dns_canonicalize_hostname = false
		rdns = false
	[realms]
		TESTS.EXAMPLE = {
			kdc = 127.0.0.1:$((PORT + 1))
		}
	END
	cat >"$DIR/kdc.conf" <<-END
	[kdcdefaults]
		kdc_listen = 127.0.0.1:$((PORT + 1))
		kdc_tcp_listen = 127.0.0.1:$((PORT + 1))
	[realms]
		TESTS.EXAMPLE = {
			database_name = $DIR/principals
			key_stash_file = $DIR/stash
			acl_file = $DIR/acl
		}
	[logging]
		kdc = FILE:$DIR/log/kdc
	END
	cat >"$DIR/env" <<-END
	KRB5_CONFIG=$DIR/krb5.conf
	KRB5CCNAME=FILE:$DIR/tickets
	LD_PRELOAD=libnss_wrapper.so
	NSS_WRAPPER_HOSTS=$DIR/hosts
	END
}

principals() {
	kdb5_util create -s -r TESTS.EXAMPLE -P master &&
		kadmin.local <<-END
		addprinc -pw wonderland alice
		addprinc -pw wonderland bob
		addprinc -randkey +no_auth_data_required cifs/server.tests.example
		addprinc -randkey cifs/pac.tests.example
		ktadd -k $DIR/alice.keytab -norandkey alice
		ktadd -k $DIR/bob.keytab -norandkey bob
		ktadd -k $DIR/smbd.keytab cifs/server.tests.example cifs/pac.tests.example
		END
}

launch() {
	KRB5_CONFIG=$DIR/krb5.conf KRB5_KDC_PROFILE=$DIR/kdc.conf \
		spawn kdc krb5kdc -n -r TESTS.EXAMPLE -P "$DIR/run/kdc.pid"
	wait_for kdc answers $((PORT + 1))
}

start() {
	PATH=$PATH:/usr/sbin
	need krb5kdc krb5-kdc
	need kadmin.local krb5-admin-server
	need kinit krb5-user
	configure
	principals >"$DIR/log/principals" 2>&1 && [ -s "$DIR/smbd.keytab" ] ||
		die "no principals: $DIR/log/principals"
	launch
	REALM=TESTS.EXAMPLE KEYTAB=$DIR/smbd.keytab "$here/smbd.sh" start "$DIR/smbd" "$PORT" || exit
	kinit -k -t "$DIR/alice.keytab" -c "$DIR/tickets" alice || exit 1
	cat "$DIR/env" >>"$DIR/place.env"
	place KIND smb
	place URL "smb://alice@server.tests.example:$PORT/private"
	place OPTIONS '{"auth": "kerberos"}'
	# What Kerberos makes different is the log-in, of many connections at once at that.
	place TESTS '*at_once*'
}

stop() {
	"$here/smbd.sh" stop "$DIR/smbd"
	stop_all
}

do_halt() { stop_one kdc; }
do_resume() {
	PATH=$PATH:/usr/sbin
	launch
}

server "$@"
