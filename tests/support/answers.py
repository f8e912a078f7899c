#!/usr/bin/env python3
"""usage: answers.py [CERTIFICATE KEY [h2]]

An HTTP server on loopback that answers as the path of each request says, rightly or not. Prints its
port; ends when its stdin does. /seen tells the requests so far, each with its Authorization, how many
connections there were, and how many are there now. h2: it offers HTTP/2, and ends each stream without
an answer."""
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

USER, PASSWORD, REALM, NONCE = "me", "open sesame", "here", "0123456789abcdef"
lock = threading.Lock()
seen, files, connections, at_once = [], {}, 0, 0


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Request:
    def __init__(self, stream):
        self.drops_next = False
        self.stream = stream
        self.reader = stream.makefile("rb", 1 << 16)

    def next(self):
        line = self.reader.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return False
        self.method, self.target = line[0], line[1]
        self.path = self.target.split("?")[0]
        if self.path.startswith("http://"):  # we are taken for a proxy
            self.path = "/" + self.path.split("/", 3)[3]
        self.headers = {}
        while True:
            line = self.reader.readline(65536).decode("latin-1").strip()
            if not line:
                break
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self.length = int(self.headers.get("content-length", 0))
        self.asks = "expect" in self.headers
        with lock:
            if not self.path.startswith("/seen"):
                seen.append("%s %s %d%s%s" % (
                    self.method, self.target, self.length,
                    " asks first" if self.asks else "",
                    " " + self.headers["authorization"].split()[0]
                    if "authorization" in self.headers else ""))
        return True

    def body(self):
        if self.asks:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.reader.read(self.length)
        self.length = 0
        return body

    def send(self, data):
        self.stream.sendall(data)

    def head(self, status, *headers):
        self.send(("HTTP/1.1 %d Word\r\n" % status + "".join(h + "\r\n" for h in headers) +
                   "\r\n").encode("latin-1"))

    def answer(self, status, body=b"", *headers):
        """A whole answer; the body of the request is read first, unless it was asked for."""
        if self.length and not self.asks:
            self.body()
        self.head(status, "Content-Length: %d" % len(body), *headers)
        if self.method != "HEAD":
            self.send(body)
        return self.length == 0


def may(r, kind):
    given = r.headers.get("authorization", "")
    if kind == "basic":
        return given == "Basic bWU6b3BlbiBzZXNhbWU="
    if not given.startswith("Digest "):
        return False
    got = {k: v.strip('"') for k, v in
           (p.strip().split("=", 1) for p in given[7:].split(", "))}
    want = md5(":".join([md5("%s:%s:%s" % (USER, REALM, PASSWORD)), NONCE, got.get("nc", ""),
                         got.get("cnonce", ""), "auth", md5(r.method + ":" + r.target)]))
    return got.get("username") == USER and got.get("response") == want


def do_file(r, name):
    if r.method == "PUT":
        files[name] = r.body()
        return r.answer(201, b"", 'ETag: "%s"' % hashlib.md5(files[name]).hexdigest())
    if r.method == "DELETE":
        files.pop(name, None)
        return r.answer(204)
    if r.method in ("PROPFIND", "MKCOL", "MOVE"):
        return r.answer(207 if r.method == "PROPFIND" else 201, b"<a/>")
    if name not in files:
        return r.answer(404, b"<html><title>Not\n here</title>\t</html>")
    whole = files[name]
    if "range" in r.headers:
        begin, end = r.headers["range"][6:].split("-")
        return r.answer(206, whole[int(begin):int(end) + 1])
    return r.answer(200, whole)


def do_login(r, kind, name):
    if may(r, kind):
        return do_file(r, name)
    wants = 'Digest realm="%s", qop="auth", nonce="%s"' % (REALM, NONCE)
    if kind == "basic":
        wants = 'Basic realm="%s"' % REALM
    return r.answer(401, b"no", "WWW-Authenticate: " + wants)


def do_cut(r, sent):
    r.head(200, "Content-Length: %d" % (2 * int(sent)))
    r.send(b"x" * int(sent))
    return False


def do_stall(r, sent):
    r.body()
    if sent != "silent":
        r.head(200, "Content-Length: 1000000")
        r.send(b"x" * int(sent))
    r.reader.read(1)
    return False


def do_drip(r, count):
    r.head(200, "Content-Length: " + count)
    for _ in range(int(count)):
        r.send(b"x")
        time.sleep(0.02)
    return True


def do_reset(r):
    r.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def do_endless(r, what):
    if what == "headers":
        r.head(200)
    elif what == "body":
        r.send(b"HTTP/1.1 200 Word\r\n\r\n")
    elif what == "error":
        r.send(b"HTTP/1.1 500 Word\r\n\r\n")
    if what == "lines":
        r.send(b"HTTP/1.1 200 Word\r\n")
    line = b"X-Line: " + b"y" * 1000 + b"\r\n"
    while True:
        r.send(line * 64)


def do_slow_read(r, bytes_per_s):
    r.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    while r.length > 0:
        r.length -= len(r.reader.read1(min(r.length, int(bytes_per_s) // 100)))
        time.sleep(0.01)
    return r.answer(201)


def do_read_none(r):
    while r.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1:  # TCP_ESTABLISHED
        time.sleep(0.01)
    return False


def do(r):
    p = [urllib.parse.unquote(part) for part in r.path.split("/")[1:]]
    if p[0] == "seen":
        with lock:
            text = "".join(line + "\n" for line in seen) + "\n%d connections, %d open\n" % (
                connections, at_once)
            if p[1:] == ["forget"]:
                seen.clear()
        return r.answer(200, text.encode())
    if p[0] == "file":
        return do_file(r, p[1])
    if p[0] in ("basic", "digest"):
        return do_login(r, p[0], p[1])
    if p[0] == "bytes":
        return r.answer(200, b"z" * int(p[1]))
    if p[0] == "status":
        return r.answer(int(p[1]), b"<Error><Code>Why</Code>\n<Message>because</Message></Error>",
                        *p[2:])
    if p[0] == "echo":
        return r.answer(int(p[1]), "".join("%s: %s\n" % h for h in r.headers.items()).encode() +
                        urllib.parse.unquote(r.target.partition("?")[2]).encode())
    if p[0] == "early":
        r.head(int(p[1]), "Content-Length: 5", "Connection: close")
        r.send(b"early")
        r.stream.shutdown(socket.SHUT_WR)
        while r.reader.read1(65536):
            pass
        return False
    if p[0] == "drop-next":
        r.drops_next = True
        return r.answer(200)
    if p[0] == "garbage":
        r.send(b"220 mail.example ESMTP\r\n")
        return False
    if p[0] == "trailer":
        r.send(b"HTTP/1.1 200 Word\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
               b"HTTP/1.1: 404\r\nETag: no\r\n\r\n")
        return True
    if p[0] == "header":
        r.send(b"HTTP/1.1 200 Word\r\nContent-Length: 0\r\nETag:  a\x1b[1m\t b \r\netag: second\r\n"
               b"X-Long: " + b"l" * int(p[1]) + b"\r\n\r\n")
        return True
    does = {"cut": do_cut, "stall": do_stall, "drip": do_drip, "reset": do_reset,
            "endless": do_endless, "slow-read": do_slow_read, "read-none": do_read_none}
    return does[p[0]](r, *p[1:])


def end_streams(stream):
    """HTTP/2 (RFC 9113): frames of length, type, flags and stream."""
    settings, headers, reset, cancel = 4, 1, 3, 8
    reader = stream.makefile("rb")
    reader.read(24)  # the preface
    stream.sendall(struct.pack(">HBBBI", 0, 0, settings, 0, 0))
    while True:
        high, low, kind, _, number = struct.unpack(">BHBBI", reader.read(9))
        reader.read(high << 16 | low)
        if kind == headers:
            stream.sendall(struct.pack(">HBBBII", 0, 4, reset, 0, number, cancel))


def serve(stream, context):
    global connections, at_once
    with lock:
        connections += 1
        at_once += 1
    try:
        if context:
            stream = context.wrap_socket(stream, server_side=True)
            if stream.selected_alpn_protocol() == "h2":
                end_streams(stream)
        r = Request(stream)
        while r.next():
            if r.drops_next:
                break
            if not do(r):
                break
    except (OSError, ValueError, KeyError, IndexError, struct.error):
        pass
    finally:
        stream.close()
        with lock:
            at_once -= 1


def main():
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        context.set_alpn_protocols(sys.argv[3:] + ["http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    while True:
        stream, _ = listener.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(stream, context), daemon=True).start()


main()
