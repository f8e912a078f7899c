#!/usr/bin/env python3
"""usage: proxy.py [--http] [--log FILE] [--rules FILE] [--port PORT] TARGET_PORT

A proxy on loopback that delays, and does what networks and servers do to one's transfers. Prints its
port. The rules are read again whenever their file has changed; # begins a comment. What a rule does is
a line in the log. n=A, n=A-B, n=A-: only the A-th to B-th time that it would act; p=0.1: only so often;
every=N: each N-th time.

Any protocol, per connection; N counts bytes, on the way up (to the server) or down:
	delay [up|down] MS      each byte arrives so much later (nothing is held back meanwhile), and a
	                        connection comes about only after a round trip
	rate up|down BYTES      per second, of all connections together
	reset|fin up|down N     both ends are reset, or closed, after N bytes
	stall up|down N         after N bytes nothing moves any more
	flip up|down N          one bit of byte N is another
	refuse                  closed as soon as it is opened

With --http, whole requests and answers, and of the rules above only refuse; METHOD and PATTERN are regular expressions, the latter for any
part of the target. The first rule that matches acts:
	METHOD PATTERN status CODE [Name:value...] [body=TEXT]  answered here; the server sees nothing
	METHOD PATTERN claim [CODE]      the same, a success (200) that is none
	METHOD PATTERN lost              the server does it, nothing of its answer arrives
	METHOD PATTERN twice             the server is asked twice, its second answer arrives
	METHOD PATTERN redirect CODE [ORIGIN]  answered here: to ask for the same at ORIGIN, or again here
	METHOD PATTERN flood BYTES [body=TEXT]  answered here: a success with the text over and over
	METHOD PATTERN headers N         answered here: so many headers of a thousand bytes
	METHOD PATTERN drop              both ends are closed instead
	METHOD PATTERN mute              the server does it, no answer comes, the connection stays
	METHOD PATTERN damage N          one bit of byte N of the body is another when it reaches the server
	METHOD PATTERN part N            N bytes of the body reach the server, as if they were all
	METHOD PATTERN half N            N bytes of the body reach the server, then both ends are closed
	METHOD PATTERN cut N             the answer's body ends after N bytes, with the connection
	METHOD PATTERN short N           the same, said to be its whole length
	METHOD PATTERN flip N            one bit of byte N of the answer's body is another
	METHOD PATTERN strip NAME        a header is taken out of the answer
	METHOD PATTERN wait MS           before the server is asked
	METHOD PATTERN drip BYTES        of the answer's body per second
	METHOD PATTERN stale             the first answer to the same request that there was
	METHOD PATTERN foreign           the first answer to such a request for another target
"""
import argparse
import asyncio
import os
import random
import re
import signal
import socket
import struct
import time

CHUNK = 1 << 16
QUEUED_MAX = 4 << 20  # bytes on their way, or waiting for the line, of one connection
RAW = ("delay", "rate", "reset", "fin", "stall", "flip", "refuse")


class Gone(Exception):
    """This connection is over."""


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Rule:
    def __init__(self, line):
        words = line.split()
        self.line, self.first, self.last, self.chance, self.body = line, 1, None, 1.0, ""
        self.times, self.every, self.acted = 0, 1, False
        plain = []
        for i, word in enumerate(words):
            if re.fullmatch(r"n=\d+(-\d*)?", word):
                first, dash, last = word[2:].partition("-")
                self.first = int(first)
                self.last = int(last) if last else None if dash else self.first
            elif word.startswith("p="):
                self.chance = float(word[2:])
            elif re.fullmatch(r"every=\d+", word):
                self.every = int(word[6:])
            elif word.startswith("body="):
                self.body = " ".join(words[i:])[5:]
                break
            else:
                plain.append(word)
        if plain[0] in RAW:
            self.action, self.words = plain[0], plain[1:]
            self.way = self.words.pop(0) if self.words and self.words[0] in ("up", "down") else None
        else:
            self.method, self.pattern = re.compile(plain[0]), re.compile(plain[1])
            self.action, self.words, self.way = plain[2], plain[3:], None
        self.http = plain[0] not in RAW

    def number(self, usual=0):
        return int(self.words[0]) if self.words else usual

    def acts(self):
        """Whether this is one of its times."""
        self.times += 1
        acts = (self.times >= self.first and (self.last is None or self.times <= self.last) and
                self.times % self.every == 0 and random.random() < self.chance)
        self.acted = self.acted or acts
        return acts


class Rules:
    def __init__(self, path):
        self.path, self.stamp, self.rules, self.looked = path, None, [], 0.0

    def now(self):
        if not self.path or time.monotonic() - self.looked < 0.01:
            return self.rules
        self.looked = time.monotonic()
        try:
            stat = os.stat(self.path)
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp == self.stamp:
                return self.rules
            with open(self.path, encoding="utf-8") as f:
                lines = [line.split("#")[0].strip() for line in f]
        except FileNotFoundError:
            stamp, lines = None, []
        # One that stays keeps its count.
        old = {rule.line: rule for rule in self.rules}
        self.stamp, self.rules = stamp, [old.get(line) or Rule(line) for line in lines if line]
        return self.rules

    def raw(self, action, way):
        for rule in self.now():
            if not rule.http and rule.action == action and rule.way in (way, None):
                yield rule


class Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.rules, self.client, self.server = proxy, proxy.rules, client, server
        self.acted = {}

    def once(self, rule):
        """Whether a rule acts on this connection; asked often, decided once."""
        if rule not in self.acted:
            self.acted[rule] = rule.acts()
            if self.acted[rule]:
                self.proxy.tell(rule)
        return self.acted[rule]

    def close(self, reset=False):
        for end in (self.client, self.server):
            if end is None:
                continue
            writer = end[1]
            if reset:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


class Way:
    """One direction of a connection, byte by byte."""

    def __init__(self, connection, name, reader, writer):
        self.c, self.name, self.reader, self.writer = connection, name, reader, writer
        self.queue, self.queued, self.room = asyncio.Queue(), 0, asyncio.Event()
        self.seen, self.born = 0, time.monotonic()

    def delay_s(self, name):
        rules = list(self.c.rules.raw("delay", name))
        for rule in rules:
            rule.acted = True
        return sum(rule.number() for rule in rules) / 1000

    def due(self, size):
        now = time.monotonic()
        due = now + self.delay_s(self.name)
        if self.seen == 0 and self.name == "up":  # it was not connected before
            due = max(due, self.born + self.delay_s("up") * 2 + self.delay_s("down"))
        for rule in self.c.rules.raw("rate", self.name):
            rule.acted = True
            free_at = self.c.proxy.free_at
            free_at[self.name] = max(free_at[self.name], now) + size / rule.number()
            due += free_at[self.name] - now
        return due

    async def fault(self, data):
        """What becomes of data; raises Gone when that is the end."""
        for action in ("flip", "stall", "reset", "fin"):
            for rule in self.c.rules.raw(action, self.name):
                at = rule.number() - self.seen
                if at >= len(data) or (action == "flip" and at < 0) or not self.c.once(rule):
                    continue
                if action == "flip":
                    data = flipped(data, at)
                    continue
                self.writer.write(data[:max(at, 0)])
                await self.writer.drain()
                if action == "stall":
                    await asyncio.Event().wait()
                self.c.close(reset=action == "reset")
                raise Gone
        return data

    async def take(self):
        while True:
            data = await self.reader.read(CHUNK)
            self.queue.put_nowait((self.due(len(data)), data))
            self.queued += len(data)
            if not data:
                return
            while self.queued > QUEUED_MAX:
                self.room.clear()
                await self.room.wait()

    async def give(self):
        while True:
            due, data = await self.queue.get()
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if not data:
                if self.writer.can_write_eof():
                    self.writer.write_eof()
                return
            size = len(data)
            data = await self.fault(data)
            self.seen += size
            self.writer.write(data)
            await self.writer.drain()
            self.queued -= size
            self.room.set()


async def both(*works):
    """All of them, or until one fails: then none goes on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


class Message:
    def __init__(self, start, headers, body):
        self.start, self.headers, self.body = start, headers, body

    def get(self, name):
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    def without(self, *names):
        return [(k, v) for k, v in self.headers if k.lower() not in names]

    def bytes(self, body=None, length=None, bare=False):
        """As it goes on: with its body whole and its length, unless it has none."""
        body = self.body if body is None else body
        headers = self.without("transfer-encoding", "expect", *(() if bare else ("content-length",)))
        if not bare:
            headers.append(("Content-Length", str(len(body) if length is None else length)))
        head = self.start + "\r\n" + "".join("%s: %s\r\n" % h for h in headers) + "\r\n"
        return head.encode("latin-1") + body


async def read_head(reader):
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in text[1:] if line]
    return Message(text[0], headers, b"")


async def read_body(reader, message, to_end):
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            message.body += (await reader.readexactly(size + 2))[:size]
            if size == 0:
                return
    if message.get("content-length") is not None:
        message.body = await reader.readexactly(int(message.get("content-length")))
    elif to_end:
        message.body = await reader.read(-1)


class Exchanges:
    """The requests of one connection, one after another."""

    def __init__(self, connection):
        self.c = connection
        self.reader, self.writer = connection.client
        self.bare = False

    async def next(self):
        request = await read_head(self.reader)
        if (request.get("expect") or "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await read_body(self.reader, request, False)
        request.method, request.target = request.start.split()[:2]
        rule = next((r for r in self.c.rules.now() if r.http and r.method.fullmatch(request.method)
                     and r.pattern.search(request.target) and r.acts()), None)
        self.c.proxy.tell(rule, request)
        await self.do(request, rule.action if rule else "pass", rule)

    async def ask(self, request):
        reader, writer = self.c.server
        writer.write(request.bytes(bare=not request.body and request.get("content-length") is None))
        while True:
            answer = await read_head(reader)
            status = int(answer.start.split()[1])
            if status >= 200:
                break
        # HEAD has a length and no body, these have neither.
        answer.bare = request.method == "HEAD" or status in (204, 304)
        if not answer.bare:
            await read_body(reader, answer, True)
        self.c.proxy.firsts.setdefault((request.method, request.target), answer)
        return answer

    def send(self, answer, **how):
        self.writer.write(answer.bytes(bare=answer.bare, **how))

    def answer_here(self, request, status, headers, body):
        answer = Message("HTTP/1.1 %s Word" % status,
                         [tuple(h.split(":", 1)) for h in headers], body.encode())
        answer.bare = False
        self.send(answer, body=b"" if request.method == "HEAD" else None, length=len(answer.body))

    async def do(self, request, action, rule):
        if action == "status":
            return self.answer_here(request, rule.words[0], rule.words[1:], rule.body)
        if action == "claim":
            return self.answer_here(request, str(rule.number(200)), [], rule.body)
        if action in ("redirect", "flood", "headers"):
            return await self.invent(request, action, rule)
        if action == "drop":
            raise Gone
        if action == "damage" and rule.number() < len(request.body):
            request.body = flipped(request.body, rule.number())
        if action == "part":
            request.body = request.body[:rule.number()]
        if action == "half":
            whole = request.bytes()
            head = len(whole) - len(request.body)
            self.c.server[1].write(whole[:head + rule.number()])
            await self.c.server[1].drain()
            raise Gone
        if action == "wait":
            await asyncio.sleep(rule.number() / 1000)
        if action == "stale":
            answer = self.c.proxy.firsts.get((request.method, request.target))
            return self.send(answer or await self.ask(request))
        if action == "foreign":
            answer = next((a for (method, target), a in self.c.proxy.firsts.items()
                           if method == request.method and rule.pattern.search(target)
                           and target != request.target), None)
            return self.send(answer or await self.ask(request))
        answer = await self.ask(request)
        if action == "lost":
            raise Gone
        if action == "mute":
            await asyncio.Event().wait()
        if action == "twice":
            try:
                answer = await self.ask(request)
            except asyncio.IncompleteReadError:  # it answers once and hangs up
                self.send(answer)
                await self.writer.drain()
                raise Gone
        await self.change(answer, action, rule)

    async def invent(self, request, action, rule):
        """An answer that no server gave."""
        if action == "redirect":
            origin = rule.words[1] if len(rule.words) > 1 else "http://" + request.get("host")
            where = "Location:%s%s" % (origin, request.target)
            return self.answer_here(request, rule.words[0], [where], rule.body)
        if action == "headers":
            headers = ["X-Filler-%d:%s" % (i, "x" * 1000) for i in range(rule.number())]
            return self.answer_here(request, "200", headers, rule.body)
        text = (rule.body or "x").encode()
        text *= CHUNK // len(text) + 1
        self.writer.write(b"HTTP/1.1 200 Word\r\nContent-Length: %d\r\n\r\n" % rule.number())
        for at in range(0, rule.number(), len(text)):
            self.writer.write(text[:rule.number() - at])
            await self.writer.drain()

    async def change(self, answer, action, rule):
        if action == "strip":
            answer.headers = answer.without(rule.words[0].lower())
        if action == "flip" and rule.number() < len(answer.body):
            answer.body = flipped(answer.body, rule.number())
        if action == "short":
            answer.body = answer.body[:rule.number()]
        if action == "cut":
            self.send(answer, body=answer.body[:rule.number()], length=len(answer.body))
            await self.writer.drain()
            raise Gone
        if action == "drip":
            self.send(answer, body=b"", length=len(answer.body))
            for at in range(0, len(answer.body), max(rule.number() // 20, 1)):
                self.writer.write(answer.body[at:at + max(rule.number() // 20, 1)])
                await self.writer.drain()
                await asyncio.sleep(0.05)
            return
        self.send(answer)


class Proxy:
    def __init__(self, args):
        self.args, self.rules, self.firsts = args, Rules(args.rules), {}
        self.free_at = {"up": 0.0, "down": 0.0}  # when the line has room for more
        self.log = open(args.log, "a", buffering=1, encoding="utf-8") if args.log else None

    def tell(self, rule, request=None):
        if self.log and (rule or request):
            print(" ".join(([request.method, request.target, str(len(request.body))] if request
                            else []) + (["[" + rule.line + "]"] if rule else [])), file=self.log)

    async def serve(self, reader, writer):
        try:
            await self.connection(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy ends

    async def connection(self, reader, writer):
        c = Connection(self, (reader, writer), None)
        try:
            if any(c.once(rule) for rule in self.rules.raw("refuse", None)):
                return
            c.server = await asyncio.open_connection("127.0.0.1", self.args.target, limit=CHUNK * 4)
            for end in (c.client, c.server):
                end[1].get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.args.http:
                exchanges = Exchanges(c)
                while True:
                    await exchanges.next()
                    await writer.drain()
            up, down = Way(c, "up", reader, c.server[1]), Way(c, "down", c.server[0], writer)
            await both(up.take(), up.give(), down.take(), down.give())
        except (Gone, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError,
                IndexError):
            pass
        finally:
            c.close()

    async def run(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", self.args.port, limit=CHUNK * 4,
                                            backlog=128)
        print(server.sockets[0].getsockname()[1], flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--log")
    parser.add_argument("--rules")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("target", type=int)
    asyncio.run(Proxy(parser.parse_args()).run())


if __name__ == "__main__":
    main()
