#!/usr/bin/python3
"""The parts of OpenStack Swift, run from a folder of their own: swift_part.py rings DIR PORT, which
makes the three rings, and swift_part.py serve DIR PART, which becomes that server.

Swift's own commands look into /etc/swift and need a process for each step of a ring."""
import os
import sys

PARTS = ("account", "container", "object")


def use_folder(folder):
    from swift.common import utils

    utils.SWIFT_CONF_FILE = os.path.join(folder, "etc", "swift.conf")
    return utils


def rings(folder, port):
    from swift.common.ring import RingBuilder

    for i, part in enumerate(PARTS):
        builder = RingBuilder(4, 1, 0)
        builder.add_dev({
            "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port + 1 + i,
            "replication_ip": "127.0.0.1", "replication_port": port + 1 + i,
            "device": "d1", "weight": 1.0, "meta": ""})
        builder.rebalance()
        builder.get_ring().save(os.path.join(folder, "etc", part + ".ring.gz"))


def serve(folder, part):
    from swift.common.wsgi import run_wsgi

    conf = os.path.join(folder, "etc", part + "-server.conf")
    return run_wsgi(conf, part.split("-")[-1] + "-server")


def main():
    action, folder, what = sys.argv[1:]
    use_folder(folder)
    if action == "rings":
        return rings(folder, int(what))
    return serve(folder, what)


sys.exit(main())
