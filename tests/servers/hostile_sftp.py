#!/usr/bin/env python3
"""usage: hostile_sftp.py FILE
The SFTP subsystem of an sshd: OpenSSH's own, whose answers are spoiled on their way, in
the manner that FILE holds (see spoil)."""
import os
import struct
import subprocess
import sys
import threading

SERVER = '/usr/lib/openssh/sftp-server'
VERSION, FSTAT, RENAME, STATUS, DATA, NAME, ATTRS = 2, 8, 18, 101, 103, 104, 105
NO_SUCH_FILE, FAILURE = 2, 4
with open(sys.argv[1], encoding='ascii') as f:
    mode = f.read().strip()
held = []


def read_full(f, n):
    b = b''
    while len(b) < n:
        more = f.read(n - len(b))
        if not more:
            sys.exit(0)
        b += more
    return b


def string(b):
    return struct.pack('>I', len(b)) + b


def entry(name, mode_bits, size):
    return string(name) + string(b'') + struct.pack('>IQI', 5, size, mode_bits)


FOREIGN = [entry(b'../../../etc/passwd', 0o100644, 7), entry(b'a/b', 0o100600, 7),
           entry(b'\x1b[31m\n', 0o100600, 7), entry(b'', 0o100600, 7), entry(b'n' * 5000, 0o100600, 7),
           entry(b'nul\0name', 0o100600, 7), entry(b'link', 0o120777, 7), entry(b'~x', 0o40700, 0)]


def spoil(kind, rest):
    """rest follows the type. Yields packets without their lengths, or bytes as they are."""
    ident, body = rest[:4], rest[4:]
    if mode == 'ids' and kind != VERSION:
        ident = struct.pack('>I', struct.unpack('>I', ident)[0] + 1000)
    if mode == 'plain' and kind == VERSION:
        body = b''
    if kind == DATA:
        n, data = struct.unpack('>I', body[:4])[0], body[4:]
        if mode == 'longer':
            data += b'x' * 100000
        elif mode == 'shorter':
            data = data[:1000]
        elif mode == 'empty':
            data = b''
        elif mode == 'flip':
            data = bytes([data[0] ^ 1]) + data[1:] if n else data
        body = string(data)
        if mode == 'lengths':
            body = struct.pack('>I', 0xffffffff) + data
    if kind == NAME and mode == 'names':
        body = struct.pack('>I', struct.unpack('>I', body[:4])[0] + len(FOREIGN)) + body[4:]
        body += b''.join(FOREIGN)
    if kind == NAME and mode == 'counts':
        body = struct.pack('>I', 0xffffffff) + body[4:]
    if kind == ATTRS and mode == 'sizes':
        body = body[:4] + struct.pack('>Q', 1 << 62) + body[12:]
    yield bytes([kind]) + ident + body


def send(packet):
    sys.stdout.buffer.write(struct.pack('>I', len(packet)) + packet)


def answers(server):
    if mode == 'greeting':
        sys.stdout.buffer.write(b'Welcome to the machine!\n')
    while True:
        n = struct.unpack('>I', read_full(server, 4))[0]
        packet = read_full(server, n)
        if mode == 'packets' and packet[0] != VERSION:
            sys.stdout.buffer.write(struct.pack('>I', 0x7fffffff) + b'\x67')
        for out in spoil(packet[0], packet[1:]):
            if mode == 'order' and packet[0] == DATA:
                held.append(out)
                if len(held) < 3:
                    timer = threading.Timer(0.02, flush)
                    timer.start()
                    continue
                flush()
            else:
                with lock:
                    send(out)
                    sys.stdout.buffer.flush()


lock = threading.Lock()


def pass_requests(client, server):
    """As `rclone serve sftp` may: a file that is open is not found, and of hosts that rename at once one is
    refused (here: every second rename)."""
    renames = 0
    while len(head := client.read(4)) == 4:
        packet = client.read(struct.unpack('>I', head)[0])
        renames += packet[0] == RENAME
        if packet[0] == FSTAT or packet[0] == RENAME and renames % 2 == 1:
            status = NO_SUCH_FILE if packet[0] == FSTAT else FAILURE
            with lock:
                send(bytes([STATUS]) + packet[1:5] + struct.pack('>I', status) + string(b'') * 2)
                sys.stdout.buffer.flush()
            continue
        server.write(struct.pack('>I', len(packet)) + packet)
        server.flush()
    server.close()  # which ends it, and so this


def flush():
    with lock:
        while held:
            send(held.pop())
        sys.stdout.buffer.flush()


def main():
    clumsy = mode == 'clumsy'
    server = subprocess.Popen([SERVER], stdin=subprocess.PIPE if clumsy else sys.stdin.buffer,
                              stdout=subprocess.PIPE)
    if clumsy:
        threading.Thread(target=pass_requests, args=(sys.stdin.buffer, server.stdin), daemon=True).start()
    answers(server.stdout)


try:
    main()
except BrokenPipeError:
    os._exit(0)
