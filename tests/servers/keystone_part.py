#!/usr/bin/python3
"""usage: keystone_part.py DIR PORT STORAGE_URL
Keystone v3 on 127.0.0.1:PORT, all of it in DIR: the user "admin" with the password in DIR/password of
the project "admin", and a service "object-store" in the region "one" whose public URL is STORAGE_URL."""
import os
import sqlite3
import sys
import uuid
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

folder, port, storage = sys.argv[1:]
os.umask(0o77)
for name in ("fernet", "credential"):
    os.makedirs(folder + "/" + name, exist_ok=True)
with open(folder + "/keystone.conf", "w", encoding="ascii") as conf:
    conf.write("""[DEFAULT]
log_file = {0}/log/keystone
[database]
connection = sqlite:///{0}/db
[fernet_tokens]
key_repository = {0}/fernet
[credential]
key_repository = {0}/credential
[cache]
enabled = false
[identity]
password_hash_rounds = 4
""".format(folder))
with open(folder + "/password", encoding="ascii") as secret:
    password = secret.readline().strip()

# Else it locks itself out: one connection reads while another writes.
with sqlite3.connect(folder + "/db") as db:
    db.execute("PRAGMA journal_mode=WAL")

from keystone.cmd import manage  # noqa: E402
from keystone.server.wsgi import initialize_public_application  # noqa: E402


def managed(*words):
    """In a process of its own, since it takes only one; what was imported is so once."""
    child = os.fork()
    if child == 0:
        sys.argv = ["keystone-manage", "--config-file", folder + "/keystone.conf"] + list(words)
        try:
            manage.main()
        except BaseException as error:  # noqa: B902
            print(words[0], repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("keystone-manage %s failed" % words[0])


if not os.path.exists(folder + "/fernet/0"):
    managed("db_sync")
    me = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    managed("fernet_setup", *me)
    managed("bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "one",
            "--bootstrap-public-url", "http://127.0.0.1:%s/v3" % port)
    with sqlite3.connect(folder + "/db") as db:
        service = uuid.uuid4().hex
        db.execute("INSERT INTO service (id, type, enabled, extra) VALUES (?, 'object-store', 1, ?)",
                   (service, '{"name": "swift"}'))
        db.execute("INSERT INTO endpoint (id, interface, service_id, url, enabled, region_id, extra) "
                   "VALUES (?, 'public', ?, ?, 1, 'one', '{}')", (uuid.uuid4().hex, service, storage))


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass


sys.argv = ["keystone", "--config-file", folder + "/keystone.conf"]
application = initialize_public_application()
make_server("127.0.0.1", int(port), application, Server, Quiet).serve_forever()
