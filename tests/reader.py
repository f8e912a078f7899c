#!/usr/bin/python3
"""Reads an mrmr array without mrmr. Written from mrmr-format(5) alone.

    reader.py ls  DRIVE...                 lists snapshots and all their paths
    reader.py cat DRIVE... -- ID PATH      writes a file to standard output

The passphrase comes from MRMR_PASSPHRASE, or a key file from MRMR_KEY_FILE. Needs python3-nacl
and python3-zstandard (or the zstd tool). Blocks that are not on the drives given are
reconstructed from their groups.
"""
import hashlib
import json
import os
import subprocess
import sys
from collections import namedtuple

from nacl import bindings
from nacl.pwhash import argon2id

try:
    import zstandard
except ImportError:
    zstandard = None

HEADER = 64
NONCE, TAG = 24, 16


def u16(b, at):
    return int.from_bytes(b[at:at + 2], "little")


def u32(b, at):
    return int.from_bytes(b[at:at + 4], "little")


def u64(b, at):
    return int.from_bytes(b[at:at + 8], "little")


class Reader:
    """Takes fields off bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        if n > self.left():
            raise ValueError("too short")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            b = self.byte()
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value

    def zigzag(self):
        v = self.varint()
        return v >> 1 if v % 2 == 0 else -(v >> 1) - 1

    def bytes(self):
        return self.take(self.varint())


# ---- keys ----

def person(text):
    return text.encode().ljust(16, b"\0")


def kdf(key, context, n):
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=n.to_bytes(8, "little") + bytes(8),
                           person=person(context)).digest()


def blake2b(key, purpose, data):
    return hashlib.blake2b(data, digest_size=32, key=key, person=person(purpose)).digest()


def aead_open(key, box, extra):
    return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(box[NONCE:], extra, box[:NONCE],
                                                               key)


def slot_open(slot):
    """The master key and its epoch, or None when the secret is not this slot's."""
    kind = {"passphrase": 1, "key-file": 2, "recovery": 3}[slot["kind"]]
    passes, memory, salt, has_kdf = 0, 0, bytes(16), 0
    if kind == 1 and "MRMR_PASSPHRASE" in os.environ:
        passes, memory = slot["kdf"]["passes"], slot["kdf"]["memory_bytes"]
        salt, has_kdf = bytes.fromhex(slot["kdf"]["salt"]), 1
        kek = argon2id.kdf(32, os.environ["MRMR_PASSPHRASE"].encode(), salt, passes, memory)
    elif kind == 2 and "MRMR_KEY_FILE" in os.environ:
        with open(os.environ["MRMR_KEY_FILE"]) as f:
            kek = bytes.fromhex(f.read().split()[1])
    else:
        return None
    slot_id, array_id = bytes.fromhex(slot["slot_id"]), bytes.fromhex(slot["array_id"])
    commitment = bytes.fromhex(slot["commitment"])
    if blake2b(kdf(kek, "mrmrslot", 1), "mrmr slot", slot_id + array_id) != commitment:
        return None
    extra = (b"MRMRSLOT" + slot["format"].to_bytes(2, "little") + bytes([kind, has_kdf]) +
             slot["epoch"].to_bytes(4, "little") + slot["created_s"].to_bytes(8, "little") +
             passes.to_bytes(8, "little") + memory.to_bytes(8, "little") + slot_id + array_id +
             salt + commitment + slot["mandatory"].to_bytes(4, "little") +
             slot["optional"].to_bytes(4, "little"))
    return aead_open(kdf(kek, "mrmrslot", 2), bytes.fromhex(slot["wrapped"]), extra), slot["epoch"]


class Keys:
    def __init__(self, drives):
        self.masters = {}
        for name, data in objects(drives, "keys"):
            if name.endswith(".json") and not self.masters:
                opened = slot_open(json.loads(data))
                if opened:
                    self.masters[opened[1]] = opened[0]
        if not self.masters:
            sys.exit("no key slot opens")
        current = max(self.masters)
        for name, data in objects(drives, "keys"):
            if name.startswith("ring-") and u32(data, 24) == current:
                plain = self.open(data[:HEADER], 5, 0, data[HEADER:])
                self.id_key = plain[:32]
                for i in range((len(plain) - 64) // 32):
                    self.masters[i + 1] = plain[64 + 32 * i:96 + 32 * i]

    def open(self, header, kind, index, box, extra=b""):
        key = kdf(self.masters[u32(header, 24)], "mrmr-box", header[10])
        return aead_open(key, box, header + bytes([kind]) + index.to_bytes(8, "little") + extra)


# ---- drives ----

def objects(drives, folder):
    """Names (last part) and verified bytes of all objects below .mrmr/folder, each once."""
    seen = set()
    for drive in drives:
        for base, _, names in os.walk(os.path.join(drive, ".mrmr", folder)):
            for name in sorted(names):
                if name in seen:
                    continue
                with open(os.path.join(base, name), "rb") as f:
                    data = f.read()
                if hashlib.sha256(data).hexdigest() in name:
                    seen.add(name)
                    yield name, data


def find_object(drives, folder, sha256):
    """The bytes of one blob, or None when no drive has it whole."""
    hexname = sha256.hex()
    for drive in drives:
        path = os.path.join(drive, ".mrmr", folder, hexname[:2], hexname + ".blob")
        if os.path.exists(path):
            with open(path, "rb") as f:
                data = f.read()
            if hashlib.sha256(data).digest() == sha256:
                return data
    return None


def unpack(method, packed, length):
    if method == 0:
        return packed
    if zstandard:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=length)
    return subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE,
                          check=True).stdout


# ---- groups ----

EXP, LOG = [0] * 510, [0] * 256
value = 1
for power in range(255):
    EXP[power] = EXP[power + 255] = value
    LOG[value] = power
    value = value << 1 ^ (0x11d if value & 128 else 0)


def mul(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def inverse(a):
    return EXP[255 - LOG[a]]


def coefficient(row, slot):
    if row == 0:
        return 1
    x = EXP[(255 - slot) % 255]
    y = 0 if row == 1 else 1 << (row - 1) if row <= 8 else EXP[row - 1]
    return mul(inverse(x ^ y), 1 ^ y)


def scaled(data, factor, length):
    table = bytes(mul(factor, b) for b in range(256))
    return int.from_bytes(data.translate(table).ljust(length, b"\0"), "little")


def reconstruct(group, wanted_uid, drives):
    """The bytes of one member, by Gauss from k members and rows at hand."""
    members, rows = group
    length = max(m.length for m in members)
    equations, missing = [], []
    have = {}
    for m in members:
        data = find_object(drives, "blocks", m.name) or find_object(drives, "parity", m.name)
        if data is None:
            missing.append(m)
        else:
            have[m.slot] = data
    for row, name, _ in rows:
        data = find_object(drives, "parity", name)
        if data is None or len(equations) == len(missing):
            continue
        right = int.from_bytes(data[:length].ljust(length, b"\0"), "little")
        for slot, known in have.items():
            right ^= scaled(known, coefficient(row, slot), length)
        equations.append(([coefficient(row, m.slot) for m in missing],
                          right.to_bytes(length, "little")))
    if len(equations) < len(missing):
        raise ValueError("a block is beyond reconstruction")
    for i in range(len(missing)):
        pivot = next(j for j in range(i, len(missing)) if equations[j][0][i])
        equations[i], equations[pivot] = equations[pivot], equations[i]
        factor = inverse(equations[i][0][i])
        left = [mul(factor, c) for c in equations[i][0]]
        right = scaled(equations[i][1], factor, length)
        equations[i] = (left, right.to_bytes(length, "little"))
        for j in range(len(missing)):
            factor = equations[j][0][i]
            if j != i and factor:
                new = [a ^ mul(factor, b) for a, b in zip(equations[j][0], left)]
                value = int.from_bytes(equations[j][1], "little") ^ scaled(
                    equations[i][1], factor, length)
                equations[j] = (new, value.to_bytes(length, "little"))
    for m, (_, data) in zip(missing, equations):
        if m.uid == wanted_uid:
            data = data[:m.length]
            if hashlib.sha256(data).digest() != m.name:
                raise ValueError("reconstructed a block with another hash")
            return data
    raise ValueError("not in this group")


# ---- contents, segments ----

Frame = namedtuple("Frame", "offset box plain method first chunks")
Chunk = namedtuple("Chunk", "id length frame offset manifest")
Member = namedtuple("Member", "uid name length slot")


def contents(r):
    frames, chunks = [], []
    for _ in range(r.varint()):
        offset, box, plain, method, count = (r.varint(), r.varint(), r.varint(), r.byte(),
                                             r.varint())
        frames.append(Frame(offset, box, plain, method, len(chunks), count))
        at = 0
        for _ in range(count):
            length = r.varint()
            chunks.append(Chunk(r.take(32), length >> 1, len(frames) - 1, at, length & 1))
            at += length >> 1
    return frames, chunks


def segment_records(keys, data):
    """(writer, first, last, previous head, head, records) of one stored segment."""
    header, clear = data[:HEADER], data[HEADER:HEADER + 88]
    plain = keys.open(header, 4, 0, data[HEADER + 88:], clear)
    body = unpack(u32(plain, 8), plain[16:16 + u32(plain, 0)], u32(plain, 4))
    bindings.crypto_sign_open(body[:64] + header + clear + body[64:], clear[:32])
    r = Reader(body)
    r.take(64)
    head = r.take(32)

    def marks():
        for _ in range(r.varint()):
            r.take(32), r.varint(), r.take(32)
    marks()
    for _ in range(r.varint()):
        r.take(16)
        marks()
    for _ in range(r.varint()):
        r.take(16)
    records = r.take(r.left())
    previous = clear[48:80]
    if clear[80] == 1 and blake2b(keys.id_key, "mrmr head", previous + records) != head:
        raise ValueError("a segment's head does not follow from its records")
    return clear[:32], u64(clear, 32), u64(clear, 40), previous, head, records


# ---- nodes ----

def node(r, before):
    n = {"type": r.byte()}
    flags = r.byte()
    n["uid"], n["gid"] = (before["uid"], before["gid"]) if flags & 1 else (r.varint(), r.varint())
    n["mode"] = before["mode"] if flags & 2 else r.varint()
    n["mtime"] = before["mtime"] + r.zigzag()
    n["ctime"] = n["mtime"] if flags & 16 else before["ctime"] + r.zigzag()
    n["inode"] = (before["inode"] + r.zigzag()) % 2**64
    n["device"] = before["device"] if flags & 4 else (before["device"] + r.zigzag()) % 2**64
    n["links"] = 1 if flags & 8 else r.varint()
    n["xattrs"] = r.bytes() if flags & 32 else b""
    if n["type"] == 1:
        n["size"] = r.varint()
        if flags & 64:
            n["parts"] = r.varint()
        else:
            n["pieces"] = [r.bytes()]
    elif n["type"] == 3:
        n["target"] = r.bytes()
    elif n["type"] in (5, 6):
        n["rdev"] = r.varint()
    return n


NO_NODE = dict(uid=0, gid=0, mode=0, mtime=0, ctime=0, inode=0, device=0)


# ---- the array ----

class Array:
    def __init__(self, drives):
        self.drives, self.keys = drives, Keys(drives)
        self.blocks, self.groups, self.dead = {}, {}, set()
        self.inline, self.chunks, self.pending, self.snapshots = {}, {}, {}, {}
        self.cache = (None, None)
        segments = {}
        for _, data in objects(drives, "journal"):
            s = segment_records(self.keys, data)
            segments.setdefault(s[0], []).append(s)
        for writer in sorted(segments):
            upto, head = 0, bytes(32)
            for s in sorted(segments[writer], key=lambda s: (s[1], -s[2])):
                if s[1] == upto + 1 and s[3] == head:
                    upto, head = s[2], s[4]
                    self.replay(s[5])
        for snapshot in list(self.snapshots):
            self.tree(snapshot)

    def replay(self, records):
        r = Reader(records)
        while r.left():
            kind, body = r.varint() >> 1, Reader(r.bytes())
            if kind == 6:
                uid, name = body.take(16), body.take(32)
                length, epoch = body.varint(), body.varint()
                body.take(16)
                self.add_block(uid, (name, length, epoch), contents(body))
            elif kind == 7:
                uid = body.take(16)
                listed = contents(Reader(body.bytes()))
                self.inline[uid] = body.take(body.left())
                self.add_block(uid, None, listed)
            elif kind == 8:
                self.add_group(body)
            elif kind == 9:
                group, row = body.take(16), (body.byte(), body.take(32), body.varint())
                body.take(16)
                if group in self.groups and body.byte():
                    self.groups[group][1].append(row)
            elif kind in (11, 12, 13):
                self.pending.setdefault(body.data[:16], []).append((kind, body.data))
            elif kind == 14:
                self.snapshots[body.take(16)] = None

    def add_block(self, uid, stored, listed):
        self.blocks[uid] = (stored, listed)
        for i, chunk in enumerate(listed[1]):
            self.chunks.setdefault(chunk.id, []).append((uid, i))

    def add_group(self, body):
        group = body.take(16)
        members = [Member(body.take(16), body.take(32), body.varint(), body.byte())
                   for _ in range(body.varint())]
        rows = []
        for _ in range(body.varint()):
            rows.append((body.byte(), body.take(32), body.varint()))
            body.take(16)
        self.groups[group] = (members, rows)
        for _ in range(body.varint()):
            self.dead.add(body.take(16))

    def tree(self, snapshot):
        """Path -> node of a snapshot, its base's changed by its own records."""
        if self.snapshots.get(snapshot) is not None:
            return self.snapshots[snapshot]
        nodes = {}
        for kind, data in self.pending.get(snapshot, []):
            body = Reader(data)
            body.take(16)
            if kind == 11:
                body.take(16)
                base = body.take(16)
                if base in self.snapshots:
                    nodes = dict(self.tree(base))
        for kind, data in self.pending.get(snapshot, []):
            body = Reader(data)
            body.take(16)
            if kind == 12:
                self.folder(nodes, body)
        for kind, data in self.pending.get(snapshot, []):
            body = Reader(data)
            body.take(16)
            if kind == 13:
                path = body.bytes() + b"/" + body.bytes()
                part, pieces = body.varint(), body.bytes()
                if path in nodes:
                    nodes[path].setdefault("pieces", []).insert(part, pieces)
        self.snapshots[snapshot] = nodes
        return nodes

    @staticmethod
    def folder(nodes, body):
        path = body.bytes()

        def remove(name):
            gone = path + b"/" + name
            for p in [p for p in nodes if p == gone or p.startswith(gone + b"/")]:
                del nodes[p]
        for _ in range(body.varint()):
            remove(body.bytes())
        before = NO_NODE
        for _ in range(body.varint()):
            name = body.bytes()
            before = node(body, before)
            old = nodes.get(path + b"/" + name)
            if old and old["type"] == 2 and before["type"] != 2:
                remove(name)
            nodes[path + b"/" + name] = before

    def block_bytes(self, uid):
        stored, _ = self.blocks[uid]
        name = stored[0]
        data = find_object(self.drives, "blocks", name) or find_object(self.drives, "parity", name)
        for group, g in self.groups.items():
            if data is None and group not in self.dead and any(m.uid == uid for m in g[0]):
                data = reconstruct(g, uid, self.drives)
        if data is None:
            raise ValueError("a block is on no drive")
        return data

    def frame(self, uid, index):
        stored, (frames, _) = self.blocks[uid]
        if self.cache[0] != (uid, index):
            f = frames[index]
            if stored is None:
                packed = self.inline[uid][f.offset:f.offset + f.box]
            else:
                data = self.block_bytes(uid)
                packed = self.keys.open(data[:HEADER], 1, index, data[f.offset:f.offset + f.box])
            self.cache = ((uid, index), unpack(f.method, packed, f.plain))
        return self.cache[1]

    def chunk(self, uid, index):
        chunk = self.blocks[uid][1][1][index]
        data = self.frame(uid, chunk.frame)[chunk.offset:chunk.offset + chunk.length]
        if blake2b(self.keys.id_key, "mrmr chunk id", data) != chunk.id:
            raise ValueError("a chunk is not what its id says")
        return data

    def content(self, n):
        for part in n.get("pieces", []):
            r, uid = Reader(part), None
            while r.left():
                first = r.varint()
                if first == 0:
                    hole = r.varint()
                    while hole > 0:
                        yield bytes(min(hole, 1 << 20))
                        hole -= min(hole, 1 << 20)
                    continue
                count, same, at = first >> 1, first & 1, r.varint()
                uid = uid if same else r.take(16)
                for i in range(at, at + count):
                    yield self.chunk(uid, i)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("ls", "cat"):
        sys.exit(__doc__)
    if sys.argv[1] == "ls":
        array = Array(sys.argv[2:])
        for snapshot, nodes in array.snapshots.items():
            for path in sorted(nodes):
                sys.stdout.buffer.write(snapshot.hex().encode() + b" " + path + b"\n")
        return
    split = sys.argv.index("--")
    array = Array(sys.argv[2:split])
    wanted, path = sys.argv[split + 1], os.fsencode(sys.argv[split + 2])
    for snapshot, nodes in array.snapshots.items():
        if snapshot.hex().startswith(wanted) and path in nodes:
            for data in array.content(nodes[path]):
                sys.stdout.buffer.write(data)
            return
    sys.exit("no such snapshot or file")


if __name__ == "__main__":
    main()
