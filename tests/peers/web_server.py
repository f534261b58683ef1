#!/usr/bin/env python3
"""Serves a folder over HTTP on any port of loopback, and says what it does in JSON lines.

    web_server.py DIR [--tls CERT KEY] [--no-ranges] [--die-after BYTES] [--corrupt] [--redirect [BASE]]
                      [--busy STATUS SECONDS [--date]]

It answers a Range with 206 unless told not to: then it is Python's own server, which sends whole files.
With --die-after it closes its socket and ends after so many bytes of bodies. With --redirect it sends every
first request of a path elsewhere: below BASE, the URL of another, or on itself. With --tls it speaks HTTPS.
With --busy it answers its first request with that status, and wants to be asked again after that time, told as
a number or as a date.
"""
import argparse
import email.utils
import json
import os
import re
import ssl
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 64 * 1024


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Plain(SimpleHTTPRequestHandler):
    """Python's own server."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code="-", size="-"):
        told = {name.lower(): self.headers.get(name) for name in ("Range", "Referer")}
        say("request", path=self.path, **told, status=int(code))

    def log_message(self, *args):
        pass


class Ranges(Plain):
    """One that knows ranges."""

    options = None
    sent = 0
    lock = threading.Lock()

    def do_GET(self):
        if self.options.busy:
            (status, seconds), self.options.busy = self.options.busy, None
            self.send_response(status)
            at = email.utils.formatdate(time.time() + seconds, usegmt=True)
            self.send_header("Retry-After", at if self.options.date else str(seconds))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.options.redirect is not None and not self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.options.redirect + "/moved" + self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        path = self.translate_path(self.path.removeprefix("/moved"))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not os.path.isfile(path) or not wanted:
            return self.send_error(404)
        size = os.path.getsize(path)
        first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
        if first > last:
            return self.send_error(416)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(first)
            self.send_body(file, last + 1 - first)

    def send_body(self, file, left):
        while left:
            data = file.read(min(CHUNK, left))
            left -= len(data)
            if self.options.corrupt:
                data = bytes([data[0] ^ 1]) + data[1:]
            self.wfile.write(data)
            with self.lock:
                Ranges.sent += len(data)
                if self.options.die_after and Ranges.sent >= self.options.die_after:
                    say("dead", sent=Ranges.sent)
                    sys.stdout.flush()
                    os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--no-ranges", action="store_true")
    parser.add_argument("--die-after", type=int)
    parser.add_argument("--corrupt", action="store_true")
    parser.add_argument("--redirect", nargs="?", const="", metavar="BASE")
    parser.add_argument("--busy", nargs=2, type=int, metavar=("STATUS", "SECONDS"))
    parser.add_argument("--date", action="store_true")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    Ranges.options = parser.parse_args()
    handler = Plain if Ranges.options.no_ranges else Ranges
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: handler(*args, directory=Ranges.options.dir)
    )
    if Ranges.options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*Ranges.options.tls)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    say("ready", addr="%s:%d" % server.server_address)
    server.serve_forever()


if __name__ == "__main__":
    main()
