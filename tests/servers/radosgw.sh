#!/usr/bin/env bash
# Ceph's object gateway, which speaks S3, over one monitor and one OSD that keeps its objects in memory.
# Needs: radosgw ceph-mon ceph-osd ceph-common. Ports: PORT the gateway, +1 the monitor, +2 to +9 the OSD.
#
# usage: radosgw.sh start DIR PORT | stop DIR
#        radosgw.sh halt DIR		the gateway is gone
#        radosgw.sh mend DIR		and back
# Users: AKTEST with the secret in DIR/secret_key, and AK2ND with DIR/second_key, who is the same; AKSMALL (DIR/small_key), who may store 1 MiB.
set -u
. "$(dirname "$0")/lib.sh"

secret_of_test=x3rL0secret/of+tests
secret_of_second=s3coNDsecret/of+tests
secret_of_small=sm4LLsecret/of+tests

write_config() {
	cat >"$DIR/ceph.conf" <<-END
	[global]
	fsid = 5f0c2b7e-6a55-4f0e-9d0b-7c1f6f0b7a11
	mon host = v2:127.0.0.1:$((PORT + 1))
	public addr = 127.0.0.1
	cluster addr = 127.0.0.1
	ms bind msgr1 = false
	ms bind port min = $((PORT + 2))
	ms bind port max = $((PORT + 9))
	auth cluster required = cephx
	auth service required = cephx
	auth client required = cephx
	keyring = $DIR/keyring
	run dir = $DIR/run
	admin socket = ""
	crash dir = $DIR/log
	log file = $DIR/log/\$name.log
	mon cluster log file = $DIR/log/cluster
	mon data = $DIR/data/mon
	mon allow pool size one = true
	mon data avail warn = 0
	mon data avail crit = 0
	paxos propose interval = 0.02
	paxos min wait = 0.01
	mon tick interval = 1
	osd data = $DIR/data/osd
	osd objectstore = memstore
	memstore device bytes = 4294967296
	osd pool default size = 1
	osd pool default min size = 1
	osd pool default pg num = 1
	osd pool default pgp num = 1
	osd pool default pg autoscale mode = off
	osd crush chooseleaf type = 0
	osd max object name len = 2048
	rgw rados pool pg num min = 1
	rgw enable usage log = false
	rgw run sync thread = false
	rgw thread pool size = 32
	rgw dns name = s3.localhost
	END
}

# All of them, known to the monitor from the start.
write_keys() {
	ceph-authtool --create-keyring "$DIR/keyring" --gen-key -n mon. --cap mon 'allow *' &&
		ceph-authtool "$DIR/keyring" --gen-key -n client.admin --cap mon 'allow *' \
			--cap osd 'allow *' --cap mgr 'allow *' &&
		ceph-authtool "$DIR/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' \
			--cap osd 'allow *' &&
		ceph-authtool "$DIR/keyring" --gen-key -n client.rgw --cap mon 'allow rw' \
			--cap osd 'allow rwx'
}

start_store() {
	monmaptool -c "$DIR/ceph.conf" --create --addv a "[v2:127.0.0.1:$((PORT + 1))]" \
		--fsid 5f0c2b7e-6a55-4f0e-9d0b-7c1f6f0b7a11 --clobber "$DIR/monmap" &&
		ceph-mon -c "$DIR/ceph.conf" --mkfs -i a --monmap "$DIR/monmap" --keyring "$DIR/keyring" ||
		return
	spawn mon ceph-mon -c "$DIR/ceph.conf" -f -i a
	wait_for mon answers $((PORT + 1))
	mkdir -p "$DIR/data/osd"
	ceph -c "$DIR/ceph.conf" --connect-timeout 120 osd new 0c7a1c1e-6a8b-4a37-8d5c-9a0a6f1d2b3c 0 &&
		ceph-osd -c "$DIR/ceph.conf" -i 0 --mkfs --osd-uuid 0c7a1c1e-6a8b-4a37-8d5c-9a0a6f1d2b3c ||
		return
	spawn osd ceph-osd -c "$DIR/ceph.conf" -f -i 0
}

do_mend() {
	! alive radosgw || return 0
	spawn radosgw radosgw -c "$DIR/ceph.conf" -f -n client.rgw \
		--rgw-frontends="beast endpoint=127.0.0.1:$PORT"
	wait_for radosgw answers "$PORT"
}

do_halt() {
	stop_one radosgw
}

admin() {
	radosgw-admin -c "$DIR/ceph.conf" -n client.rgw "$@" >>"$DIR/log/admin" 2>&1 ||
		die "no users: $DIR/log/admin"
}

start() {
	local command
	for command in radosgw ceph-mon ceph-osd; do
		need $command $command
	done
	need ceph ceph-common
	write_config
	write_keys >"$DIR/log/keys" 2>&1 || die "no keys: $DIR/log/keys"
	start_store >"$DIR/log/store" 2>&1 || die "no store: $DIR/log/store"
	do_mend
	admin user create --uid=test --display-name=test --access-key=AKTEST --secret-key=$secret_of_test
	admin key create --uid=test --key-type=s3 --access-key=AK2ND --secret-key=$secret_of_second
	admin user create --uid=small --display-name=small --access-key=AKSMALL \
		--secret-key=$secret_of_small
	admin quota set --uid=small --quota-scope=user --max-size=1048576
	admin quota enable --uid=small --quota-scope=user
	secret access_key AKTEST
	secret secret_key $secret_of_test
	secret second_key $secret_of_second
	secret small_access AKSMALL
	secret small_key $secret_of_small
	place KIND s3
	place URL "s3+http://127.0.0.1:$PORT/{}"
	place OPTIONS "{\"access_key\":\"file:$DIR/access_key\",\"secret_key\":\"file:$DIR/secret_key\"}"
}

server "$@"
