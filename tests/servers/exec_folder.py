#!/usr/bin/env python3
"""A folder of this host as a drive: an example of a program that mrmr's "exec" drives run.

    mrmr init 'a=exec:/path/to/exec_folder.py /srv/a' ...

The protocol is in mrmr-drives(7), "ADDING A DRIVER". An object lies under the folder's .mrmr, by
its name. It is written under a name that no object can have, made durable, and linked to its own
name, which fails if that is taken: so it is there whole or not at all, and never replaced.
"""

import errno
import os
import sys
import time

TEMPORARY = "~tmp"
PIECE = 1 << 20
DAY_S = 86400


class Refused(Exception):
    """What a request is answered instead of OK: a word of the protocol and a reason."""

    def __init__(self, word, text=""):
        super().__init__(word)
        self.line = " ".join((word + " " + str(text)).split())


def refusal(e):
    """The same for an error of the system."""
    words = {
        errno.ENOENT: "NOT-FOUND",
        errno.ENOTDIR: "NOT-FOUND",
        errno.EISDIR: "NOT-FOUND",
        errno.EEXIST: "EXISTS",
        errno.ENOSPC: "FULL",
        errno.EDQUOT: "FULL",
        errno.EACCES: "DENIED",
        errno.EPERM: "DENIED",
        errno.EROFS: "READONLY",
    }
    return Refused(words.get(e.errno, "FAILED"), e.strerror)


class Folder:
    def __init__(self, root, tag, make):
        if make:
            os.makedirs(root, mode=0o700, exist_ok=True)
        if not os.path.isdir(root):
            raise Refused("NOT-FOUND", root + " is no folder")
        self.root = root
        self.base = os.path.join(root, ".mrmr")
        self.tag = tag
        self.count = 0
        self.swept = False

    def path(self, name):
        return os.path.join(self.base, name)

    def sync_folder(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_folder(self, path):
        """With all above it, durable. Another process may do the same at this moment."""
        if path == self.root:
            return
        if not os.path.isdir(path):
            self.make_folder(os.path.dirname(path))
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
        self.sync_folder(os.path.dirname(path))

    def sweep(self, folder):
        """What processes left that were killed: nobody writes for a day."""
        for entry in os.scandir(folder):
            try:
                if entry.stat().st_mtime < time.time() - DAY_S:
                    os.unlink(entry.path)
            except FileNotFoundError:
                pass
        self.swept = True

    def put(self, length, name, source):
        folder = self.path(TEMPORARY)
        temporary = os.path.join(folder, "%s-%d-%d" % (self.tag, os.getpid(), self.count))
        self.count += 1
        failed = None
        fd = -1
        try:
            if os.path.lexists(self.path(name)):
                raise FileExistsError(errno.EEXIST, "the name is taken")
            self.make_folder(folder)
            if not self.swept:
                self.sweep(folder)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as e:
            failed = e
        # All of the bytes are read, whatever becomes of them: a request would follow.
        while length > 0:
            piece = source.read(min(length, PIECE))
            if not piece:
                if fd >= 0:
                    os.unlink(temporary)
                sys.exit(0)  # mrmr is gone
            length -= len(piece)
            try:
                while piece and not failed:
                    piece = piece[os.write(fd, piece):]
            except OSError as e:
                failed = e
        try:
            if failed:
                raise failed
            os.fsync(fd)
            self.make_folder(os.path.dirname(self.path(name)))
            os.link(temporary, self.path(name))
            self.sync_folder(os.path.dirname(self.path(name)))
        finally:
            if fd >= 0:
                os.close(fd)
                os.unlink(temporary)

    def get(self, offset, length, name, out):
        with open(self.path(name), "rb") as f:
            if offset + length > os.fstat(f.fileno()).st_size:
                raise Refused("SHORT", "it ends before")
            f.seek(offset)
            while length > 0:
                piece = f.read(min(length, PIECE))
                if not piece:
                    raise Refused("SHORT", "it became shorter")
                out.write(b"DATA %d\n" % len(piece) + piece)
                length -= len(piece)

    def stat(self, name):
        if not os.path.isfile(self.path(name)):
            raise Refused("NOT-FOUND")
        return os.path.getsize(self.path(name))

    def list(self, prefix, out):
        """Only the folder that the prefix names holds what begins with it."""
        self.list_folder(prefix.rpartition("/")[0], prefix, out)

    def list_folder(self, folder, prefix, out):
        try:
            entries = list(os.scandir(self.path(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            name = folder + "/" + entry.name if folder else entry.name
            if entry.name == TEMPORARY or not name.startswith(prefix):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    self.list_folder(name, prefix, out)
                elif entry.is_file(follow_symlinks=False):
                    out.write(b"OBJECT %d %s\n" % (entry.stat().st_size, os.fsencode(name)))
            except FileNotFoundError:
                pass

    def move(self, old, new):
        if not os.path.isfile(self.path(old)):
            raise Refused("NOT-FOUND")
        self.make_folder(os.path.dirname(self.path(new)))
        os.link(self.path(old), self.path(new))
        self.sync_folder(os.path.dirname(self.path(new)))
        self.remove(old)

    def remove(self, name):
        if os.path.isfile(self.path(name)):
            os.unlink(self.path(name))
            self.sync_folder(os.path.dirname(self.path(name)))

    def about(self):
        space = os.statvfs(self.root)
        total = space.f_blocks * space.f_frsize
        free = space.f_bavail * space.f_frsize
        return b"SPACE %d %d\nDOMAIN folder %d\n" % (total, free, os.stat(self.root).st_dev)


def answer(folder, words, source, out):
    """One request. What it raises is its answer; else that is OK."""
    request, rest = words[0], words[1:]
    if request == "PUT":
        folder.put(int(rest[0]), rest[1], source)
    elif request == "GET":
        folder.get(int(rest[0]), int(rest[1]), rest[2], out)
    elif request == "STAT":
        out.write(b"SIZE %d\n" % folder.stat(rest[0]))
    elif request == "LIST":
        folder.list(rest[0], out)
    elif request == "MOVE":
        folder.move(rest[0], rest[1])
    elif request == "REMOVE":
        folder.remove(rest[0])
    elif request == "SYNC":
        pass  # each of the others has seen to it
    elif request == "ABOUT":
        out.write(folder.about())
    else:
        raise Refused("UNSUPPORTED", request)


def main():
    source, out = sys.stdin.buffer, sys.stdout.buffer
    folder = None
    for line in source:
        words = line.decode("ascii", "replace").rstrip("\n").split(" ")
        if words[0] == "CONFIG":
            continue  # not answered; a folder needs none
        try:
            if words[0] == "MRMR":
                out.write(b"VERSION 1\nCONNECTIONS 4\n")
            elif words[0] == "OPEN":
                folder = Folder(os.path.abspath(sys.argv[1]), words[1], "MAKE" in words[2:])
            else:
                answer(folder, words, source, out)
            out.write(b"OK\n")
        except Refused as e:
            out.write(e.line.encode() + b"\n")
        except OSError as e:
            out.write(refusal(e).line.encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: exec_folder.py FOLDER")
    main()
