#!/usr/bin/env python3
"""Transmission, qBittorrent or rTorrent as a peer for tests: TCP on loopback, every kind of discovery off but
the torrent's trackers.

  daemon_peer.py transmission|qbittorrent|rtorrent seed|download TORRENT DIR --home DIR [--encryption rc4] [--peer ADDR]

It speaks as lt_peer.py does, one JSON object a line: "ready" (listening; a seed has checked its data),
"completed" (a download is verified), "failed". It serves until it is killed, and its daemon dies with it.
Without --encryption rc4, which takes nothing but streams encrypted from end to end, the client takes both
what is encrypted and what is not. Only qBittorrent can be told to dial a peer: the others wait to be dialled.
"""
import argparse
import base64
import ctypes
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xmlrpc.client

PATIENCE_S = 80
LOOK_AGAIN_S = 0.05
PR_SET_PDEATHSIG = 1


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port):
    """Without a connection: Transmission refuses the next one from the same address for a while."""
    listen = "0A"  # the state of a socket
    for family in ("tcp", "tcp6"):
        with open(f"/proc/net/{family}") as sockets:
            if any(words[1].endswith(f":{port:04X}") and words[3] == listen for words in map(str.split, sockets)):
                return True
    return False


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Client:
    """A daemon with one torrent. `port` is where peers reach it, `control` where we do."""

    def __init__(self, a):
        self.a = a
        self.home = pathlib.Path(a.home).absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(a.dir).absolute()
        self.rc4 = a.encryption == "rc4"
        self.port, self.control = free_port(), free_port()

    def spawn(self, *command, stdin=subprocess.DEVNULL, stdout=None):
        if not shutil.which(command[0]):
            sys.exit(f"{command[0]} is missing: run tests/run")
        self.log = open(self.home / "log", "wb")
        self.daemon = subprocess.Popen(
            [str(word) for word in command], stdin=stdin, stdout=stdout or self.log, stderr=self.log,
            preexec_fn=die_with_parent, env={**os.environ, "HOME": str(self.home)},
        )

    def until(self, what, holds):
        """Waits until `holds` does; that nobody answers yet is no fault."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.daemon.poll() is not None:
                self.fail(f"ended before it was {what}")
            try:
                if holds():
                    return
            except (OSError, xmlrpc.client.Fault):
                pass
            time.sleep(LOOK_AGAIN_S)
        self.fail(f"not {what} in {PATIENCE_S} s")

    def fail(self, why):
        log = (self.home / "log").read_text(errors="replace")[-4000:]
        say("failed", message=why)
        sys.exit(f"{self.a.client}: {why}\n{log}")

    def listening(self):
        return listens(self.port)

    def dial(self, peer):
        self.fail("cannot be told of a peer")


class Transmission(Client):
    def start(self):
        settings = {
            "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "rpc-bind-address": "127.0.0.1",
            "rpc-port": self.control, "rpc-authentication-required": False, "rpc-whitelist-enabled": False,
            "rpc-host-whitelist-enabled": False, "peer-port": self.port, "peer-port-random-on-start": False,
            "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
            "port-forwarding-enabled": False, "encryption": 2 if self.rc4 else 0, "preallocation": 0,
            "rename-partial-files": False, "trash-original-torrent-files": False,
        }
        (self.home / "settings.json").write_text(json.dumps(settings))
        self.session = ""
        self.spawn("transmission-daemon", "--foreground", "--config-dir", self.home)
        self.until("under control", lambda: self.rpc("session-get"))
        torrent = base64.b64encode(pathlib.Path(self.a.torrent).read_bytes()).decode()
        self.rpc("torrent-add", metainfo=torrent, **{"download-dir": str(self.dir)})

    def complete(self):
        fields = ["percentDone", "status", "recheckProgress"]
        torrents = self.rpc("torrent-get", fields=fields)["arguments"]["torrents"]
        seeding = 6
        return any(torrent["percentDone"] == 1 and torrent["status"] == seeding for torrent in torrents)

    def rpc(self, method, **arguments):
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/transmission/rpc", body)
        request.add_header("X-Transmission-Session-Id", self.session)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            # The first answer is a refusal that says which session this is.
            self.session = refused.headers.get("X-Transmission-Session-Id", "")
            raise


class Qbittorrent(Client):
    def start(self):
        config = self.home / "qBittorrent" / "config" / "qBittorrent.conf"
        config.parent.mkdir(parents=True)
        config.write_text("\n".join([
            "[LegalNotice]", "Accepted=true",
            "[Preferences]", r"WebUI\Address=127.0.0.1", rf"WebUI\Port={self.control}",
            r"WebUI\LocalHostAuth=false", r"WebUI\CSRFProtection=false", r"WebUI\HostHeaderValidation=false",
            r"WebUI\UseUPnP=false",
            "[BitTorrent]", rf"Session\Port={self.port}", r"Session\Interface=lo", r"Session\InterfaceName=lo",
            r"Session\InterfaceAddress=127.0.0.1", rf"Session\DefaultSavePath={self.dir}",
            rf"Session\Encryption={1 if self.rc4 else 0}", r"Session\BTProtocol=TCP", r"Session\DHTEnabled=false",
            r"Session\LSDEnabled=false", r"Session\PeXEnabled=false", r"Session\MultiConnectionsPerIp=true",
            r"Session\QueueingSystemEnabled=false", r"Session\SSRFMitigation=false",
            r"Session\IgnoreLimitsOnLAN=true", r"Session\TempPathEnabled=false",
            "[Network]", "PortForwardingEnabled=false", "",
        ]))
        self.spawn("qbittorrent-nox", f"--profile={self.home}")
        self.until("under control", lambda: self.get("app/version"))
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="torrents"; filename="x.torrent"\r\n\r\n'
        body = head.encode() + pathlib.Path(self.a.torrent).read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        self.post("torrents/add", body, f"multipart/form-data; boundary={boundary}")

    def complete(self):
        seeding = ("uploading", "stalledUP", "forcedUP")
        return any(torrent["state"] in seeding for torrent in json.loads(self.get("torrents/info")))

    def listening(self):
        """At first it accepts connections and hangs up: it is ready when it answers a key with a key."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as stream:
            stream.sendall(b"\x40" + os.urandom(95))
            return stream.recv(1)

    def dial(self, peer):
        def add_peer():
            hashes = [torrent["hash"] for torrent in json.loads(self.get("torrents/info"))]
            form = urllib.parse.urlencode({"hashes": "|".join(hashes), "peers": peer}).encode()
            return hashes and self.post("torrents/addPeers", form, "application/x-www-form-urlencoded")
        self.until("told of a peer", add_peer)

    def get(self, path):
        with urllib.request.urlopen(self.url(path), timeout=PATIENCE_S) as answer:
            return answer.read()

    def post(self, path, body, kind):
        request = urllib.request.Request(self.url(path), body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.read() or b"Ok."

    def url(self, path):
        return f"http://127.0.0.1:{self.control}/api/v2/{path}"


class Rtorrent(Client):
    def start(self):
        encryption = "allow_incoming,try_outgoing"
        if self.rc4:
            encryption += ",require,require_RC4"
        torrent = self.home / "x.torrent"
        metainfo = pathlib.Path(self.a.torrent).read_bytes()
        if not metainfo.startswith(b"d8:announce"):
            # It refuses a torrent without a tracker: nobody listens at this one.
            metainfo = b"d8:announce27:http://127.0.0.1:1/announce" + metainfo[1:]
        torrent.write_bytes(metainfo)
        # A path of a socket may have no more than 107 bytes, so control goes over TCP.
        config = self.home / "rtorrent.rc"
        (self.home / "session").mkdir()
        config.write_text("\n".join([
            f"directory.default.set = {self.dir}", f"session.path.set = {self.home / 'session'}",
            "network.bind_address.set = 127.0.0.1", "network.local_address.set = 127.0.0.1",
            f"network.port_range.set = {self.port}-{self.port}", "network.port_random.set = no",
            f"network.scgi.open_port = 127.0.0.1:{self.control}", "dht.mode.set = disable",
            "protocol.pex.set = no", f"protocol.encryption.set = {encryption}", "",
        ]))
        # It wants a terminal. What it draws there is read, or it would stop.
        terminal, own_end = pty.openpty()
        self.spawn("rtorrent", "-n", "-o", f"import={config}", torrent, stdin=own_end, stdout=own_end)
        os.close(own_end)
        threading.Thread(target=self.drain, args=(terminal,), daemon=True).start()
        self.until("under control", lambda: self.call("download_list"))

    def complete(self):
        info_hash, = self.call("download_list")
        return self.call("d.complete", info_hash) and self.call("d.is_active", info_hash) and not self.call(
            "d.hashing", info_hash)

    def call(self, method, *arguments):
        """XML-RPC over SCGI."""
        body = xmlrpc.client.dumps(arguments or ("",), method).encode()
        head = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
        with socket.create_connection(("127.0.0.1", self.control), timeout=PATIENCE_S) as stream:
            stream.sendall(b"%d:%s,%s" % (len(head), head, body))
            answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
        values, _ = xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])
        return values[0]

    @staticmethod
    def drain(terminal):
        try:
            while os.read(terminal, 1 << 16):
                pass
        except OSError:
            pass


CLIENTS = {"transmission": Transmission, "qbittorrent": Qbittorrent, "rtorrent": Rtorrent}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("mode", choices=["seed", "download"])
    parser.add_argument("torrent")
    parser.add_argument("dir")
    parser.add_argument("--home", required=True, help="an empty folder for its configuration and state")
    parser.add_argument("--encryption", choices=["enabled", "rc4"], default="enabled")
    parser.add_argument("--peer", help="whom to dial, HOST:PORT")
    a = parser.parse_args()
    client = CLIENTS[a.client](a)
    client.start()
    client.until("listening", client.listening)
    if a.mode == "seed":
        client.until("complete", client.complete)
    say("ready", addr=f"127.0.0.1:{client.port}")
    if a.peer:
        client.dial(a.peer)
    if a.mode == "download":
        client.until("complete", client.complete)
        say("completed")
    client.daemon.wait()


if __name__ == "__main__":
    main()
