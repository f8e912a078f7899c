"""Put and get across a network: mrmr, restic and rclone with as many connections each, to OpenSSH and to
an S3 server on loopback, through a proxy that adds a round trip or holds a rate. rclone copies files as
they are, one object each: a floor of another kind. Where the line is held to a rate, mrmr alone, with
twice as much: how near it comes to the time of the bytes."""
import os
import shlex
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(HERE, "../servers")
CONNECTIONS = 8
RATE = 12500000  # bytes per second: 100 Mbit/s
RATED = "rate up %d\nrate down %d" % (RATE, RATE)
LINES = (("0 ms", ""), ("20 ms", "delay 10"), ("100 ms", "delay 50"))
RATED_LINES = (("0 ms 100 Mbit/s", RATED), ("100 ms 100 Mbit/s", "delay 50\n" + RATED))


def tree(work, large):
    """Of 2 MiB each, and 300 small ones, that do not compress."""
    path = os.path.join(work, "network-tree%d" % large)
    if not os.path.isdir(path):
        os.makedirs(path + "/small")
        for i in range(large):
            with open("%s/large%d" % (path, i), "wb") as out:
                out.write(os.urandom((2 << 20) - 65536))
        for i in range(300):
            with open("%s/small/%d" % (path, i), "wb") as out:
                out.write(os.urandom(4096))
    return path


class Place:
    """A server of tests/servers, and the proxy before it."""

    def __init__(self, server, work, port):
        self.server, self.port = server, port
        self.folder = os.path.join(work, "network-" + server)
        self.script = os.path.join(SERVERS, server + ".sh")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        subprocess.run([self.script, "start", self.folder, str(port)], check=True,
                       stdout=subprocess.DEVNULL)
        self.rules = self.folder + "/rules"
        self.line("")
        self.proxy = subprocess.Popen([sys.executable, SERVERS + "/proxy.py", "--rules", self.rules,
                                       str(port)], stdout=subprocess.PIPE)
        self.through = int(self.proxy.stdout.readline())
        self.count = 0

    def line(self, rules):
        with open(self.rules, "w", encoding="ascii") as out:
            out.write(rules + "\n")

    def stop(self):
        self.proxy.send_signal(signal.SIGTERM)
        self.proxy.wait()
        subprocess.run([self.script, "stop", self.folder], check=True)

    def text(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as f:
            return f.read().strip()


class Sftp(Place):
    name = "sftp"

    def __init__(self, work, port):
        super().__init__("sshd", work, port)
        self.user = subprocess.check_output(["id", "-un"], text=True).strip()
        self.known = self.folder + "/known"
        with open(self.known, "w", encoding="ascii") as out:
            out.write(self.text("known_hosts").replace(":%d " % port, ":%d " % self.through) + "\n")
        self.key = self.folder + "/id_ed25519"

    def fresh(self, tool):
        self.count += 1
        return "%s/%s%d" % (self.folder, tool, self.count)

    def mrmr(self, path):
        return ["-o", "identity=" + self.key, "-o", "known_hosts=" + self.known,
                "d=sftp://%s@127.0.0.1:%d%s" % (self.user, self.through, path)]

    def restic(self, path):
        ssh = "ssh -p %d -i %s -o UserKnownHostsFile=%s -o IdentitiesOnly=yes %s@127.0.0.1 -s sftp" % (
            self.through, self.key, self.known, self.user)
        return ["-r", "sftp:%s@127.0.0.1:%s" % (self.user, path), "-o", "sftp.command=" + ssh,
                "-o", "sftp.connections=%d" % CONNECTIONS], {}

    def rclone(self, path):
        return "net:" + path, {"TYPE": "sftp", "HOST": "127.0.0.1", "PORT": str(self.through),
                               "USER": self.user, "KEY_FILE": self.key,
                               "KNOWN_HOSTS_FILE": self.known,
                               "DISABLE_HASHCHECK": "true"}


class S3(Place):
    name = "s3"

    def __init__(self, work, port):
        super().__init__("radosgw", work, port)
        self.access, self.secret = self.text("access_key"), self.text("secret_key")

    def fresh(self, tool):
        self.count += 1
        return "%s%d" % (tool, self.count)

    def mrmr(self, bucket):
        return ["-o", "access_key=file:%s/access_key" % self.folder,
                "-o", "secret_key=file:%s/secret_key" % self.folder, "-o", "addressing=path",
                "d=s3+http://127.0.0.1:%d/%s" % (self.through, bucket)]

    def restic(self, bucket):
        return (["-r", "s3:http://127.0.0.1:%d/%s" % (self.through, bucket),
                 "-o", "s3.connections=%d" % CONNECTIONS],
                {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret})

    def rclone(self, bucket):
        return "net:" + bucket, {"TYPE": "s3", "PROVIDER": "Ceph", "ACCESS_KEY_ID": self.access,
                                 "SECRET_ACCESS_KEY": self.secret,
                                 "ENDPOINT": "http://127.0.0.1:%d" % self.through}


class NetMrmr:
    name = "mrmr"

    def __init__(self, bench, work, place):
        self.bench, self.work = bench, bench.fresh(os.path.join(work, "network-mrmr"))
        self.env = dict(os.environ, MRMR_CONFIG_DIR=self.work + "/config",
                        MRMR_STATE_DIR=self.work + "/state")
        for name in ("MRMR_PASSPHRASE", "MRMR_ARRAY", "MRMR_JSON", "MRMR_KEY_FILE"):
            self.env.pop(name, None)
        subprocess.run([bench.mrmr, "-q", "init", "--mkdir", "--parity", "0", "--key-file",
                        self.work + "/key", "-o", "connections=%d" % CONNECTIONS] +
                       place.mrmr(place.fresh("mrmr")), env=self.env, check=True,
                       stdout=subprocess.DEVNULL)
        self.env["MRMR_KEY_FILE"] = self.work + "/key"

    def put(self, path):
        return self.bench.run([self.bench.mrmr, "put", path], self.env)

    def get(self, out):
        return self.bench.run([self.bench.mrmr, "get", "latest", "--to", out], self.env)


class NetRestic:
    name = "restic"

    def __init__(self, bench, work, place):
        self.bench, self.work = bench, bench.fresh(os.path.join(work, "network-restic"))
        self.where, env = place.restic(place.fresh("restic"))
        self.env = dict(os.environ, RESTIC_PASSWORD="bench", RESTIC_CACHE_DIR=self.work, **env)
        subprocess.run(["restic", "-q", "init"] + self.where, env=self.env, check=True,
                       stdout=subprocess.DEVNULL)

    def put(self, path):
        return self.bench.run(["restic", "-q", "backup", path] + self.where, self.env)

    def get(self, out):
        return self.bench.run(["restic", "-q", "restore", "latest", "--target", out] + self.where,
                              self.env)


class NetRclone:
    name = "rclone"

    def __init__(self, bench, _work, place):
        self.bench = bench
        self.where, env = place.rclone(place.fresh("rclone"))
        self.env = dict(os.environ, RCLONE_CONFIG="/dev/null",
                        **{"RCLONE_CONFIG_NET_" + k: v for k, v in env.items()})
        self.env.pop("AWS_CA_BUNDLE", None)  # with it, its S3 fails
        self.how = ["--transfers", str(CONNECTIONS), "--checkers", str(CONNECTIONS)]

    def put(self, path):
        return self.bench.run(["rclone", "copy", path, self.where] + self.how, self.env)

    def get(self, out):
        return self.bench.run(["rclone", "copy", self.where, out] + self.how, self.env)


def same(path, out):
    """Whether all came back, wherever below out a tool puts it."""
    for base in (out, out + path):
        if os.path.isdir(base + "/small"):
            return subprocess.run(["diff", "-rq", path, base], check=False).returncode == 0
    return False


def measure(bench, work, rounds, place, line, tools, path):
    name, rules = line
    figures = bench.figures()
    for _ in range(rounds):
        for tool in tools:
            place.line("")
            t = tool(bench, work, place)
            place.line(rules)
            out = bench.fresh(os.path.join(work, "network-out"))
            figures.add("%s put %s" % (place.name, name), tool.name, t.put(path))
            figures.add("%s get %s" % (place.name, name), tool.name, t.get(out))
            if not same(path, out):
                sys.exit("%s: not what was put: %s" % (tool.name, shlex.quote(out)))
            shutil.rmtree(out)
    figures.print()


def network(bench, work, rounds, only):
    tools = [t for t in (NetMrmr, NetRestic, NetRclone) if t is NetMrmr or shutil.which(t.name)]
    for kind, port in ((Sftp, 21900), (S3, 21910)):
        if only and kind.name not in only:
            continue
        place = kind(work, port)
        try:
            for line in LINES:
                measure(bench, work, rounds, place, line, tools, tree(work, 64))
            for line in RATED_LINES:
                measure(bench, work, rounds, place, line, [NetMrmr], tree(work, 128))
        finally:
            place.stop()
