#!/usr/bin/env python3
"""Known answers for keys, boxes, slots, blocks and the cutter.

A second implementation of what lib/seal, lib/chunk and lib/block say in their headers, with
fixed keys and nonces, written from those headers and sharing no code with them. BLAKE2b is
Python's, XChaCha20-Poly1305 is below (RFC 8439, draft-irtf-cfrg-xchacha-03); only Argon2id is
libsodium's. Prints a C header:

    tests/vectors/seal.py > tests/vectors/seal.h
"""
import ctypes
import hashlib
import json
import struct

# ---- XChaCha20-Poly1305 ----


def rotl(v, n):
    return (v << n | v >> (32 - n)) & 0xFFFFFFFF


def quarter(s, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = rotl(s[z] ^ s[x], n)


def rounds(state):
    s = list(state)
    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(s, *column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *diagonal)
    return s


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def hchacha20(key, nonce16):
    s = rounds(CONSTANTS + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def chacha20(key, nonce12, counter, data):
    out = bytearray()
    for at in range(0, len(data), 64):
        state = (CONSTANTS + struct.unpack("<8I", key) + (counter + at // 64,) +
                 struct.unpack("<3I", nonce12))
        words = [(a + b) & 0xFFFFFFFF for a, b in zip(rounds(state), state)]
        stream = struct.pack("<16I", *words)
        out += bytes(a ^ b for a, b in zip(data[at:at + 64], stream))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for at in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def seal(key, nonce24, additional, plain):
    subkey, nonce12 = hchacha20(key, nonce24[:16]), bytes(4) + nonce24[16:]
    text = chacha20(subkey, nonce12, 1, plain)
    lengths = struct.pack("<QQ", len(additional), len(text))
    tag = poly1305(chacha20(subkey, nonce12, 0, bytes(32)), pad16(additional) + pad16(text) + lengths)
    return nonce24 + text + tag


# ---- seal/keys.h ----


def blake2b(key, purpose, data, size=32):
    return hashlib.blake2b(data, digest_size=size, key=key, person=purpose).digest()


def kdf(key, context, number):
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=struct.pack("<Q", number),
                           person=context).digest()


ARRAY_ID = bytes(range(0x10, 0x20))
ID_KEY = bytes(range(0x20, 0x40))
CUTTER_KEY = bytes(range(0x40, 0x60))
MASTERS = {1: bytes(range(0x60, 0x80)), 2: bytes(range(0x80, 0xA0))}
BLOCK, RING, WRITER = 1, 3, 4


def header(kind, epoch, uid):
    magic = {BLOCK: b"MRMRBLOK", RING: b"MRMRRING", WRITER: b"MRMRWRIT"}[kind]
    return (magic + struct.pack("<H6B", 1, kind, 1, 1, 1, 0, 0) + struct.pack("<IIII", 0, 0, epoch, 0) +
            ARRAY_ID + uid)


nonces = 0


def box(head, kind, index, plain, extra=b""):
    """One box of the object with that header; each has a nonce of its own."""
    global nonces
    nonces += 1
    epoch = struct.unpack("<I", head[24:28])[0]
    key = kdf(MASTERS[epoch], b"mrmr-box", head[10])
    additional = head + bytes([kind]) + struct.pack("<Q", index) + extra
    return seal(key, bytes([0xC0 + nonces]) * 24, additional, plain)


def ring():
    head = header(RING, 2, bytes(range(0xA0, 0xB0)))
    return head + box(head, 5, 0, ID_KEY + CUTTER_KEY + MASTERS[1])


def chunk_id(data):
    return blake2b(ID_KEY, b"mrmr chunk id", data)


# ---- block/block.h, block/contents.h ----


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def frame_entry(offset, box_bytes, method, chunks):
    out = varint(offset) + varint(box_bytes) + varint(sum(len(c) for c, _ in chunks))
    out += bytes([method]) + varint(len(chunks))
    for chunk, manifest in chunks:
        out += varint(len(chunk) * 2 + manifest) + chunk_id(chunk)
    return out


def block(uid):
    """Two frames: raw with two chunks, and zstd (one RLE block of 200 letters) with one."""
    head = header(BLOCK, 1, uid)
    raw = b"the first chunk" + b"and the manifest"
    run = b"\x28\xb5\x2f\xfd\x20\xc8" + struct.pack("<I", 200 << 3 | 1 << 1 | 1)[:3] + b"r"
    out, entries = head, b""
    for i, (packed, method, chunks) in enumerate((
            (raw, 0, ((raw[:15], 0), (raw[15:], 1))), (run, 1, ((b"r" * 200, 0),)))):
        entries += frame_entry(len(out), len(packed) + 40, method, chunks)
        out += box(head, 1, i, packed)
    contents = varint(2) + entries
    contents += bytes(512 - len(out) - 40 - 64 - len(contents))
    trailer = struct.pack("<QQQ", len(out), len(contents) + 40, 0)
    return out + box(head, 2, 0, contents) + box(head, 3, 0, trailer)


# ---- seal/slot.h ----


def argon2id(passphrase, salt, passes, memory_bytes):
    sodium = ctypes.CDLL("libsodium.so.23")
    out = ctypes.create_string_buffer(32)
    if sodium.crypto_pwhash_argon2id(out, ctypes.c_ulonglong(32), passphrase,
                                     ctypes.c_ulonglong(len(passphrase)), salt,
                                     ctypes.c_ulonglong(passes), ctypes.c_size_t(memory_bytes), 2):
        raise MemoryError
    return out.raw


def slot(kind, kek, passes, memory_bytes, salt):
    slot_id, created_s, name = bytes([0xD0 + kind]) * 16, 1700000000 + kind, {
        1: "passphrase", 2: "key-file", 3: "recovery"}[kind]
    commitment = blake2b(kdf(kek, b"mrmrslot", 1), b"mrmr slot", slot_id + ARRAY_ID)
    additional = (b"MRMRSLOT" + struct.pack("<HBBIqQQ", 1, kind, int(kind == 1), 2, created_s, passes,
                                            memory_bytes) + slot_id + ARRAY_ID + salt + commitment + bytes(8))
    fields = {"format": 1, "slot_id": slot_id.hex(), "array_id": ARRAY_ID.hex(), "kind": name,
              "mandatory": 0, "optional": 0, "epoch": 2, "created_s": created_s, "commitment": commitment.hex(),
              "wrapped": seal(kdf(kek, b"mrmrslot", 2), bytes([0xE0 + kind]) * 24, additional,
                              MASTERS[2]).hex()}
    if kind == 1:
        fields["kdf"] = {"alg": "argon2id13", "passes": passes, "memory_bytes": memory_bytes,
                         "salt": salt.hex()}
    return json.dumps(fields)


def recovery_text(key):
    check = hashlib.blake2b(key, digest_size=32, person=b"mrmr recovery").digest()[:3]
    number = int.from_bytes(key + check, "big")
    letters = ["0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> 5 * i & 31] for i in range(55, -1, -1)]
    return "-".join("".join(letters[i:i + 4]) for i in range(0, 56, 4))


# ---- chunk/cutter.h, chunk/geometry.h ----


def noise(size):
    out, v = bytearray(), 1
    for _ in range(size):
        v = (v * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(v >> 56)
    return bytes(out)


def cuts(data, smallest, avg, largest):
    table = [int.from_bytes(blake2b(CUTTER_KEY, b"mrmr cutter", bytes([i]))[:8], "little")
             for i in range(256)]
    bits, at, ends = avg.bit_length() - 1, 0, []
    while at < len(data):
        end = min(len(data), at + largest)
        for n in range(at + smallest, end):
            window = data[n - 64:n]
            h = sum(table[b] << (63 - i) for i, b in enumerate(window)) % 2**64
            if h < 2**(64 - (bits + 2 if n - at < avg else bits - 2)):
                end = n
                break
        at = end
        ends.append(at)
    return ends


def padme(n):
    e = n.bit_length() - 1
    step = 2**(e - e.bit_length())
    return -(-n // step) * step


# ---- the C header ----


def emit_bytes(name, data):
    print("static const uint8_t %s[%d] = {" % (name, len(data)))
    for at in range(0, len(data), 14):
        print("\t" + " ".join("0x%02x," % b for b in data[at:at + 14]))
    print("};")


def emit_numbers(name, numbers):
    print("static const uint64_t %s[%d] = {" % (name, len(numbers)))
    for at in range(0, len(numbers), 8):
        print("\t" + " ".join("%d," % n for n in numbers[at:at + 8]))
    print("};")


def emit_text(name, text):
    print("static const char %s[] =" % name)
    lines = [text[at:at + 70] for at in range(0, len(text), 70)]
    print("\n".join("\t" + json.dumps(line) for line in lines) + ";")


def main():
    passphrase, salt, key = b"correct horse battery", bytes(range(16)), bytes(range(0xB0, 0xD0))
    kek = argon2id(passphrase, salt, 2, 64 << 20)
    print("/* Made by tests/vectors/seal.py; what each stands for is said there. */")
    print("#ifndef MRMR_TESTS_VECTORS_SEAL_H\n#define MRMR_TESTS_VECTORS_SEAL_H\n")
    print("#include <stdint.h>\n")
    emit_bytes("vector_array_id", ARRAY_ID)
    emit_bytes("vector_master", MASTERS[2])
    emit_bytes("vector_ring", ring())
    emit_bytes("vector_chunk_id", chunk_id(b"a chunk"))
    emit_bytes("vector_head", blake2b(ID_KEY, b"mrmr head", bytes(range(32)) + b"records"))
    emit_bytes("vector_marker_mac", blake2b(ID_KEY, b"mrmr marker", b"a marker"))
    emit_bytes("vector_cutter_7", blake2b(CUTTER_KEY, b"mrmr cutter", b"\7")[:8])
    head = header(WRITER, 2, bytes(range(0xF0, 0x100)))
    emit_bytes("vector_box", head + box(head, 6, 513, b"sealed with extra", b"extra bytes"))
    emit_bytes("vector_block", block(bytes(range(0xE0, 0xF0))))
    emit_text("vector_passphrase_slot", slot(1, kek, 2, 64 << 20, salt))
    emit_text("vector_key_slot", slot(2, key, 0, 0, bytes(16)))
    emit_bytes("vector_key", key)
    emit_text("vector_recovery_text", recovery_text(key))
    emit_numbers("vector_cuts", cuts(noise(16384), 256, 512, 1024))
    sizes = [2, 9, 100, 513, 4097, 65537, 1000000, 2**31 + 1, 2**40 + 12345]
    emit_numbers("vector_padme", [n for size in sizes for n in (size, padme(size))])
    print("\n#endif")


main()
