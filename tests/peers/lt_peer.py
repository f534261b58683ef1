#!/usr/bin/env python3
"""A libtorrent peer for tests: TCP on loopback, plain unless told otherwise, every kind of discovery off but the
torrent's trackers.

  lt_peer.py make PATH OUT --piece-length BYTES [--pad]     make a v1 torrent, say its info-hash and files
  lt_peer.py info TORRENT                                   say the same of a torrent
  lt_peer.py seed TORRENT DIR [--port N] [--peer ADDR]…     check the data, then serve it until SIGTERM
  lt_peer.py download TORRENT DIR [--port N] [--peer ADDR]… [--linger] [--wait]

Everything it has to say is one JSON object a line on stdout with an "event" field:
"ready" (listening, data checked), "completed" (all verified and on disk), "failed"; with --pex "found" for each
peer that it is connected to because another told of it.
With --wait it says "started" and begins after a line on stdin; with --linger it serves on after a download.
"""
import argparse
import json
import os
import signal
import sys
import time
import warnings

warnings.simplefilter("ignore")  # the binding's deprecations

try:
    import libtorrent as lt
except ImportError:
    sys.exit("libtorrent is missing: run tests/run")


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def describe(torrent):
    info = lt.torrent_info(torrent)
    files = info.files()
    pad = lt.file_storage.flag_pad_file
    return {
        "info_hash": str(info.info_hashes().v1),
        "name": info.name(),
        "piece_length": info.piece_length(),
        "pieces": info.num_pieces(),
        "total": info.total_size(),
        "files": [
            {"path": files.file_path(i), "size": files.file_size(i), "pad": bool(files.file_flags(i) & pad)}
            for i in range(files.num_files())
        ],
    }


def make(a):
    storage = lt.file_storage()
    lt.add_files(storage, os.path.abspath(a.path))
    # A hybrid is what libtorrent makes of itself.
    kind = 0 if a.hybrid else lt.create_torrent.v1_only
    flags = kind | (lt.create_torrent.canonical_files if a.pad else 0)
    torrent = lt.create_torrent(storage, a.piece_length, flags=flags)
    lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(a.path)))
    with open(a.out, "wb") as out:
        out.write(lt.bencode(torrent.generate()))
    say("made", **describe(a.out))


# Policy and level. "enabled" is libtorrent's default; "plaintext" encrypts handshakes alone.
ENCRYPTION = {
    "disabled": (lt.enc_policy.pe_disabled, lt.enc_level.pe_both),
    "enabled": (lt.enc_policy.pe_enabled, lt.enc_level.pe_both),
    "plaintext": (lt.enc_policy.pe_forced, lt.enc_level.pe_plaintext),
    "rc4": (lt.enc_policy.pe_forced, lt.enc_level.pe_rc4),
}


# Flags of connect_peer, for which the binding has no names: its default, and that the peer is in the v2 swarm.
PEX_DEFAULT, PEX_LT_V2 = 0x0D, 0x80


def loopback(a):
    return "[::1]" if a.ipv6 else "127.0.0.1"


def settings(a):
    policy, level = map(int, ENCRYPTION[a.encryption])
    return {
        "listen_interfaces": f"{loopback(a)}:{a.port}",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "in_enc_policy": policy, "out_enc_policy": policy, "allowed_enc_level": level,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,  # every peer of a test is 127.0.0.1
        "min_reconnect_time": 1, "no_connect_privileged_ports": False, "ssrf_mitigation": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.storage_notification,
    }


def begin(a):
    session = lt.session(settings(a))
    # Peers on loopback are otherwise a class of their own that no limit binds. The flags are a set of classes.
    everywhere = lt.ip_filter()
    for first, last in (("0.0.0.0", "255.255.255.255"), ("::", "ffff:" * 7 + "ffff")):
        everywhere.add_rule(first, last, 1 << lt.session.global_peer_class_id)
    session.set_peer_class_filter(everywhere)
    if a.upload_limit:
        session.apply_settings({"upload_rate_limit": a.upload_limit})
    if a.slots is not None:
        session.apply_settings({"unchoke_slots_limit": a.slots})
    return session


def add(a, session):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(a.torrent)
    params.save_path = os.path.abspath(a.dir)
    # Not seed_mode: what is on disk is checked before we are ready.
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= lt.torrent_flags.disable_dht | lt.torrent_flags.disable_lsd
    if not a.pex:
        params.flags |= lt.torrent_flags.disable_pex
    return session.add_torrent(params)


def wait(session, seconds, kind):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            if isinstance(alert, kind):
                return True
    return False


def checked(handle):
    checking = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    while handle.status().state in checking:
        time.sleep(0.005)


def flush(session, handle):
    """Complete means hashes passed; the last blocks may still be on their way to the disk."""
    handle.flush_cache()
    return wait(session, 5, lt.cache_flushed_alert)


def address(peer):
    host, port = peer.rsplit(":", 1)
    return host, int(port)


def serve(a):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    if a.wait:
        say("started")
        sys.stdin.readline()
    session = begin(a)
    handle = add(a, session)
    checked(handle)
    say("ready", addr=f"{loopback(a)}:{session.listen_port()}", pieces=handle.status().num_pieces)
    done = a.mode == "seed"
    redial = 0.0
    found = set()
    while not stop:
        for peer in handle.get_peer_info() if a.pex else ():
            host, port = peer.ip
            if peer.source & lt.peer_info.pex and port not in found:
                found.add(port)
                say("found", addr=f"{host}:{port}")
        if a.peer and time.monotonic() >= redial and not handle.status().num_peers:
            redial = 0.0
            for peer in a.peer:
                handle.connect_peer(address(peer), 0, PEX_DEFAULT | (PEX_LT_V2 if a.v2 else 0))
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
                say("failed", message=alert.message())
                return 1
        if not done and handle.status().is_seeding:
            done = True
            if not a.no_flush:
                flush(session, handle)
            status = handle.status()
            say("completed", downloaded=status.total_payload_download, wasted=status.total_failed_bytes
                + status.total_redundant_bytes)
            if not a.linger:
                break
    session.pause()
    session.remove_torrent(handle)
    del session  # waits for the disk thread
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    p = modes.add_parser("make")
    p.add_argument("path")
    p.add_argument("out")
    p.add_argument("--piece-length", type=int, default=0, help="bytes; 0: libtorrent's choice")
    p.add_argument("--pad", action="store_true", help="align files to pieces with pad files")
    p.add_argument("--hybrid", action="store_true", help="of v1 and v2")
    p = modes.add_parser("info")
    p.add_argument("torrent")
    for mode in ("seed", "download"):
        p = modes.add_parser(mode)
        p.add_argument("torrent")
        p.add_argument("dir")
        p.add_argument("--port", type=int, default=0, help="0: any")
        p.add_argument("--ipv6", action="store_true", help="listen on ::1, and be announced from there")
        p.add_argument("--peer", action="append", default=[], help="whom to dial, HOST:PORT")
        p.add_argument("--v2", action="store_true", help="dial peers of a hybrid by its v2 hash")
        p.add_argument("--encryption", choices=ENCRYPTION, default="disabled")
        p.add_argument("--upload-limit", type=int, default=0, help="bytes a second; 0: none")
        p.add_argument("--pex", action="store_true", help="tell peers of each other, and say who was found so")
        p.add_argument("--slots", type=int, help="how many peers to unchoke")
        p.add_argument("--linger", action="store_true", help="serve on when complete")
        p.add_argument("--wait", action="store_true", help="begin after a line on stdin")
        p.add_argument("--no-flush", action="store_true", help="complete when hashes passed (for measurements)")
    a = parser.parse_args()
    if a.mode == "make":
        make(a)
    elif a.mode == "info":
        say("info", **describe(a.torrent))
    else:
        sys.exit(serve(a))


if __name__ == "__main__":
    main()
