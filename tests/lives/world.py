"""An array, and the model beside it: what each command and each drive must be like."""
import json
import os
import re
import shutil
import subprocess

from source import Source

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MRMR = os.environ.get("MRMR", os.path.join(ROOT, "build/mrmr"))
SHIM = os.path.join(os.path.dirname(MRMR), "tests/preload/kill.so")

KILLED = -9
MAYBE = "maybe"


class Wrong(Exception):
    """What the program did is not what the model says."""


class Drive:
    """A member, or one that was declared lost and is not rebuilt yet."""

    def __init__(self, name, place):
        self.name, self.place = name, place
        self.state = "member"   # disabled, draining, lost
        self.kept_at = None     # where its folder is while it is away
        self.gone = False       # it never comes back
        self.behind = False     # it lacks journal segments; MAYBE: nobody knows
        self.empty = False      # it was drained
        self.rotten = False     # something on it was damaged since the last scrub

    @property
    def away(self):
        return self.kept_at is not None or self.gone


class World:
    def __init__(self, folder, r):
        self.folder, self.r = folder, r
        self.source = Source(self.path("in"), r)
        self.story = []
        self.said = ""          # by the last command
        self.drives = {}        # by name
        self.made = 0           # drives ever
        self.parity = 0
        self.bears = 0          # so many of the members may be lost, those that are away included
        self.covered = set()    # these may all be away, whatever their number
        self.snapshots = {}     # id: its folder below kept/
        self.kept = 0
        self.more = None        # the folder of one that a killed put may have stored, or will
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MRMR_")}
        self.env.update(MRMR_CONFIG_DIR=self.path("config"), MRMR_STATE_DIR=self.path("state"),
                        HOME=folder, LC_ALL="C.UTF-8")
        for name in ("kept", "aside", "drives"):
            os.mkdir(self.path(name))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def tell(self, text):
        self.story.append(text)

    def chance(self, one_in):
        return self.r.randrange(one_in) == 0

    # ---- what the model knows of drives ----

    def members(self):
        return {d for d in self.drives.values() if d.state != "lost"}

    def unavailable(self):
        return {d for d in self.members() if d.away or d.state == "disabled"}

    def at_hand(self):
        return self.members() - self.unavailable()

    def takers(self):
        """Those that take something new."""
        return {d for d in self.at_hand() if d.state == "member"}

    def rotten(self):
        return {d for d in self.at_hand() if d.rotten}

    def pick(self, drives):
        drives = sorted(drives, key=lambda d: d.name)
        return self.r.choice(drives) if drives else None

    def bears_loss_of(self, drives):
        return len(drives) <= self.bears or drives <= self.covered

    def readable(self):
        return self.bears_loss_of(self.unavailable() | self.rotten())

    def spared(self, drive):
        """Whether the others could keep the promise."""
        left = [d for d in self.members() if d is not drive and d.state != "draining"]
        return len(left) > self.parity

    def whole(self):
        """Nothing keeps the array from paying everything it owes."""
        return (len(self.takers()) == len(self.drives) and len(self.drives) > self.parity
                and not self.rotten())

    def committed(self, surely=True):
        """A command wrote: the drives at hand have all journals, the others lack what it said."""
        for d in self.members():
            if d in self.at_hand():
                d.behind = False
            elif surely:
                d.behind = True
            else:
                d.behind = d.behind or MAYBE

    def refused(self):
        for d in self.at_hand():
            d.behind = d.behind and MAYBE

    # ---- commands ----

    def call(self, *words, env=None):
        done = subprocess.run([MRMR, *words], env=env or self.env, capture_output=True,
                              cwd=self.folder, stdin=subprocess.DEVNULL, timeout=120)
        self.said = (done.stdout + done.stderr).decode(errors="replace")
        return done.returncode, done.stdout.decode(errors="replace")

    def wrong(self, text):
        raise Wrong(f"{text}\n{self.said}")

    def lines(self, *words, want=(0,)):
        """The objects of a command that only looks."""
        code, out = self.call("--json", *words)
        if code not in want:
            self.wrong(f"{' '.join(words)}: exit {code} instead of {sorted(want)}")
        return code, [json.loads(line) for line in out.splitlines()]

    def run(self, *words, want, again=(), during=(), makes_snapshot=False):
        """A command that changes something. Returns its exit code and its summary; now and then it is
        killed first, then checked, then given again. want: the codes that are right; again: that
        are right as well when it was given before; during: drives that may be out of use
        already."""
        text = " ".join(os.path.basename(w) for w in words)
        self.tell(text)
        if self.chance(3):
            at = int(2 ** self.r.uniform(2, 9))
            code, out = self.call("--json", *words, env={
                **self.env, "LD_PRELOAD": SHIM, "KILL_AT": str(at), "KILL_SAID": self.path("call")})
            if code != KILLED:
                return self.judged(code, out, text, want)
            with open(self.path("call"), encoding="ascii") as f:
                self.tell(f"(killed at call {at}, {f.read()})")
            if makes_snapshot:
                self.more = self.kept
            self.restores(gone=set(during))
            want = set(want) | set(again)
        return self.judged(*self.call("--json", *words), text, want)

    def judged(self, code, out, text, want):
        self.tell(f"= {code}")
        if code not in want:
            self.wrong(f"{text}: exit {code} instead of {sorted(want)}")
        summary = [o for o in map(json.loads, out.splitlines()) if o["message_type"] == "summary"]
        return code, summary[-1] if summary else {}

    # ---- what holds ----

    def moments(self, top):
        """What rsync does not look at: times of folders and links to the nanosecond."""
        found = {}
        for folder, folders, files in os.walk(top):
            for name in [*folders, *files, "."]:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = os.lstat(path).st_mtime_ns
        return found

    def rsync(self, *words):
        done = subprocess.run(["rsync", "-aAXHcn", "--itemize-changes", *words],
                              capture_output=True, check=False)
        return (done.stdout + done.stderr).decode(errors="replace")

    def get(self, ids, want):
        """Restores snapshots, each to its folder below out/, and compares."""
        shutil.rmtree(self.path("out"), ignore_errors=True)
        os.mkdir(self.path("out"))
        whole = []
        for i in ids:
            kept, to = str(self.snapshots[i]), self.path("out", "whole")
            code, _ = self.call("-q", "get", i, "--to", to)
            if code not in want:
                self.wrong(f"get: exit {code} instead of {sorted(want)}")
            if os.path.exists(to + self.source.folder):
                os.rename(to + self.source.folder, self.path("out", kept))
                shutil.rmtree(to)
            if code == 0:
                whole.append(kept)
            else:
                self.restored_in_part(kept)
        self.restored_whole(whole)

    def restored_whole(self, kept):
        diff = kept and self.rsync("--delete", *(self.path("kept", k) for k in kept),
                                   self.path("out"))
        for k in kept:
            if not diff and self.moments(self.path("kept", k)) != self.moments(self.path("out", k)):
                diff = f"times in {k} differ"
        if diff:
            self.wrong(f"restored to out/ is not what is in kept/: {diff}")

    def restored_in_part(self, kept):
        """What is there is right, and what is not is named."""
        out = self.path("out", kept)
        diff = os.path.exists(out) and self.rsync(out + "/", self.path("kept", kept) + "/")
        if diff or "LOST" not in self.said:
            self.wrong(f"restored to out/ is not what is in kept/, or not named: {diff}")

    def known(self):
        """All snapshots are there, and no others."""
        _, items = self.lines("snapshots")
        ids = {o["id"] for o in items if o["message_type"] == "snapshot"}
        more = ids - set(self.snapshots)
        if self.more and len(more) == 1:
            self.snapshots[more.pop()] = self.more
            self.more = None
        if more or not ids.issuperset(self.snapshots):
            self.wrong(f"the snapshots should be {set(self.snapshots)}")

    def promised(self):
        """How many drives more may be lost, by the words of status; rot that nobody has met yet
        counts as one. The model knows how many it must be at least."""
        code, items = self.lines("status", want=(0, 20))
        status = items[-1]
        for d in status["drives"]:
            self.word_is_right(d)
        listed = {d["name"] for d in status["drives"]}
        missing = {d.name for d in self.members()} - listed
        if missing:
            self.wrong(f"status does not list {missing}")
        met = {self.drives[d["name"]] for d in status["drives"] if d["state"] == "degraded"}
        away, meaning = self.unavailable(), " ".join(status["meaning"])
        found = re.search(r"Everything can be read, and the loss of any (\d+) drives? would lose nothing", meaning)
        spare = int(found[1]) if found else 0
        least = min(self.bears - len(away | met), len(self.at_hand()) - 1)
        if self.bears_loss_of(away) and (status["state"] == "failed" or spare < least):
            self.wrong(f"{status['state']}, {spare} may be lost, but {least} were promised")
        if (status["members"], status["absent"]) != (len(self.members()), len(away)):
            self.wrong(f"{len(self.members())} members, {len(away)} of them away")
        self.status_code_is_right(code, status)
        return spare - len(self.rotten() - met) if status["state"] != "failed" else -1

    def status_code_is_right(self, code, status):
        if (code == 0) != (status["state"] == "optimal"):
            self.wrong(f"status is {status['state']}, exit {code}")
        if any(d.away or d.state in ("disabled", "lost") or d.behind is True
               for d in self.drives.values()) or len(self.members()) <= self.parity:
            want = (20,)
        elif self.whole() and self.bears == self.parity and \
                not any(d.behind for d in self.drives.values()):
            want = (0,)
        else:
            want = (0, 20)
        if code not in want:
            self.wrong(f"status: exit {code} instead of {want}")

    def word_is_right(self, said):
        d = self.drives.get(said["name"])
        if d is None:
            self.wrong(f"there is no drive {said['name']}")
        if d.state == "lost":
            want = ("failed",)
        elif d.state == "disabled":
            want = ("disabled",)
        elif d.away:
            want = ("absent",)
        elif d.state == "draining":
            want = ("draining",)
        else:
            want = {True: ("stale",), False: ("optimal",), MAYBE: ("stale", "optimal")}[d.behind]
            if d.rotten:
                want += ("degraded",)  # if somebody has met it
        if said["state"] not in want:
            self.wrong(f"drive {d.name} is {said['state']} instead of {want}")

    def put_away(self, drive, empty):
        """Moves its folder; what is left in its place is nothing, or an empty mount point."""
        to = self.path("aside", drive.name)
        os.rename(drive.place, to)
        if empty:
            os.mkdir(drive.place)
        return to

    def put_back(self, drive, kept_at):
        if os.path.exists(drive.place):
            if os.listdir(drive.place):
                self.wrong(f"something was written to an empty mount point: {drive.place}")
            os.rmdir(drive.place)
        os.rename(kept_at, drive.place)

    def restores(self, gone=frozenset(), spare=None, everything=False):
        """The snapshots, with as many drives gone as may be: spare, or what the model knows."""
        counted = self.unavailable() | self.rotten() | gone
        if spare is None:
            spare = self.bears - len(counted)
        readable = self.bears_loss_of(counted)
        if readable and (everything or self.more or self.chance(3)):
            self.known()
        left = sorted(self.at_hand() - self.rotten() - gone, key=lambda d: d.name)
        extra = self.r.sample(left, max(0, min(spare, len(left) - 1)))
        moved = [(d, self.put_away(d, self.chance(2))) for d in extra]
        ids = list({kept: i for i, kept in self.snapshots.items()}.values())
        if not everything and len(ids) > 2:
            ids = [ids[-1], self.r.choice(ids[:-1])]
        try:
            self.get(ids, (0,) if readable else (0, 21))
        except Wrong as w:
            names = [d.name for d in extra]
            raise Wrong(f"with {names} gone as well: {w}") from None
        finally:
            for d, kept_at in moved:
                self.put_back(d, kept_at)

    def check(self, everything=False):
        if self.chance(3):
            _, items = self.lines("drives")
            for said in (o for o in items if o["message_type"] == "drive"):
                self.word_is_right(said)
        self.restores(spare=self.promised(), everything=everything)
