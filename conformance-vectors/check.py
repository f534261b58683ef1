#!/usr/bin/env python3
"""Checks the vectors without a line of the project's own code: Python 3.9 or later, standard library only.

    check.py [DIR]      DIR: the folder of this file, unless another is given

The decoders below were written from the specifications and from README.md. They are small, not fast, and they
do not judge everything: what they leave out is counted and told. Exit code: 0 all held, 1 something failed,
2 there was nothing to check.
"""
import base64
import hashlib
import hmac
import ipaddress
import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


class Refused(Exception):
    """The input is in error: its code, and the byte that shows it, if that is known."""

    def __init__(self, code, at_byte=None):
        super().__init__(code)
        self.code, self.at_byte = code, at_byte


class Skip(Exception):
    """This checker does not judge the vector, for the reason given."""


# --- bencode (BEP 3)


class Bencode:
    """A decoder of one input. `end` is where it stands; `spans` says where the values of the outermost
    dictionary lie."""

    def __init__(self, data, strict, depth):
        self.data, self.strict, self.depth, self.end, self.spans = data, strict, depth, 0, {}

    def all(self):
        value = self.value(0)
        if self.end < len(self.data):
            raise Refused("trailing_bytes")
        return value

    def peek(self):
        if self.end >= len(self.data):
            raise Refused("unexpected_end")
        return self.data[self.end : self.end + 1]

    def take(self, wanted):
        if self.peek() != wanted:
            raise Refused("unexpected_byte")
        self.end += 1

    def value(self, depth):
        kind = self.peek()
        if kind.isdigit():
            return self.string()
        if kind not in (b"i", b"l", b"d"):
            raise Refused("unexpected_byte")
        self.end += 1
        if kind == b"i":
            return self.integer()
        if depth == self.depth:
            raise Refused("too_deep")
        return self.list(depth + 1) if kind == b"l" else self.dict(depth + 1)

    def digits(self):
        start = self.end
        while self.peek().isdigit():
            self.end += 1
        digits = self.data[start : self.end]
        if not digits:
            raise Refused("unexpected_byte")
        if len(digits) > 1 and digits[:1] == b"0":
            raise Refused("leading_zero")
        return int(digits)

    def integer(self):
        negative = self.peek() == b"-"
        self.end += negative
        number = self.digits()
        self.take(b"e")
        if negative and number == 0:
            raise Refused("negative_zero")
        number = -number if negative else number
        if not -(1 << 63) <= number < 1 << 63:
            raise Refused("out_of_range")
        return number

    def string(self):
        length = self.digits()
        self.take(b":")
        if length >= 1 << 63:
            raise Refused("out_of_range")
        if length > len(self.data) - self.end:
            raise Refused("unexpected_end")
        self.end += length
        return self.data[self.end - length : self.end]

    def list(self, depth):
        items = []
        while self.peek() != b"e":
            items.append(self.value(depth))
        self.end += 1
        return items

    def dict(self, depth):
        entries, last = {}, None
        while self.peek() != b"e":
            if not self.peek().isdigit():
                raise Refused("key_not_string")
            key = self.string()
            if key in entries:
                raise Refused("duplicate_key")
            if self.strict and last is not None and key < last:
                raise Refused("unsorted_key")
            if self.peek() == b"e":
                raise Refused("missing_value")
            start, last = self.end, key
            entries[key] = self.value(depth)
            if depth == 1:
                self.spans[key] = self.data[start : self.end]
        self.end += 1
        return entries


def bencoded(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencoded, value)) + b"e"
    return b"d" + b"".join(bencoded(key) + bencoded(value[key]) for key in sorted(value)) + b"e"


def as_json(value):
    if isinstance(value, int):
        return {"integer": str(value)}
    if isinstance(value, bytes):
        return {"string": value.hex()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {"dict": [[key.hex(), as_json(value[key])] for key in sorted(value)]}


def bencode(vector):
    strict = vector["setup"]["rules"] == "strict"
    value = Bencode(input_of(vector), strict, 32 if strict else 16).all()
    return as_json(value), bencoded(value).hex()


# --- torrents (BEP 3, 52)


def filler(length):
    return bytes((31 * i + 7 * (i >> 8)) % 256 for i in range(length))


def sha1(data):
    return hashlib.sha1(data).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


def leaves(content):
    return [sha256(content[at : at + 16384]) for at in range(0, len(content), 16384)]


def root(hashes):
    while len(hashes) & (len(hashes) - 1):
        hashes = hashes + [bytes(32)]
    while len(hashes) > 1:
        hashes = [sha256(a + b) for a, b in zip(hashes[::2], hashes[1::2])]
    return hashes[0]


def merkle(vector):
    given = vector.get("setup", {}).get("leaf_hashes")
    hashes = [bytes.fromhex(leaf) for leaf in given] if given else leaves(input_of(vector))
    return {"leaf_hashes": [leaf.hex() for leaf in hashes], "root": root(hashes).hex()}, None


def info(vector):
    raw, facts = input_of(vector), {}
    fields = Bencode(raw, True, 32).all()
    v1, v2 = b"pieces" in fields, fields.get(b"meta version") == 2
    topics = []
    if v1:
        facts["pieces"] = fields[b"pieces"].hex()
        facts["info_hash_v1"] = sha1(raw).hex()
        topics.append("xt=urn:btih:" + facts["info_hash_v1"])
    if v2:
        facts["info_hash_v2"] = sha256(raw).hex()
        facts["truncated"] = facts["info_hash_v2"][:40]
        topics.append("xt=urn:btmh:1220" + facts["info_hash_v2"])
    facts["magnet"] = "magnet:?" + "&".join(topics)
    if "content" in vector.get("setup", {}):
        content = filler(vector["setup"]["content"]["filler"])
        length = fields[b"piece length"]
        pieces = b"".join(sha1(content[at : at + length]) for at in range(0, len(content), length))
        if v1 and pieces != fields[b"pieces"]:
            raise Refused("the pieces are not those of the content")
        facts["content_sha1"], facts["content_sha256"] = sha1(content).hex(), sha256(content).hex()
        layer = leaves(content)
        facts["pieces_root"] = root(layer).hex()
        facts["piece_layers"] = {root(layer).hex(): b"".join(layer).hex()}
    return {key: facts.get(key) for key in vector["value"]}, None


def torrent(vector):
    if vector.get("error") not in (None, "bencode"):
        raise Skip("what makes a torrent unfit, beyond its bencode")
    decoder = Bencode(input_of(vector), False, 32)
    try:
        info = decoder.all()[b"info"]
    except Refused:
        raise Refused("bencode") from None
    raw, version_2 = decoder.spans[b"info"], info.get(b"meta version") == 2
    facts = dict(vector["value"])  # names, paths and addresses are not judged
    facts["info_hash"] = sha1(raw).hex()
    facts["info_hash_v2"] = sha256(raw).hex() if version_2 else None
    facts["non_canonical"] = raw != bencoded(info)
    facts["private"] = info.get(b"private") == 1
    # A symbolic link (BEP 47) has no content.
    lengths = [0 if b"l" in file.get(b"attr", b"") else file[b"length"] for file in info.get(b"files", [info])]
    facts["files"] = [dict(file, length=length) for file, length in zip(vector["value"]["files"], lengths)]
    return facts, None


def torrent_built(vector):
    value = vector["value"]
    content = b"".join(filler(file["length"]) for file in value["files"])
    length = value["piece_length"]
    made = {b"name": value["name"].encode(), b"piece length": length}
    made[b"pieces"] = b"".join(sha1(content[at : at + length]) for at in range(0, len(content), length))
    if value["files"][0]["path"]:
        path = lambda file: [element.encode() for element in file["path"]]
        made[b"files"] = [{b"length": file["length"], b"path": path(file)} for file in value["files"]]
    else:
        made[b"length"] = len(content)
    if value["private"]:
        made[b"private"] = 1
    return dict(value, info_hash=sha1(bencoded(made)).hex()), bencoded(made).hex()


# --- magnet links (BEP 9, 53)


def magnet(vector):
    link, found = vector["text"].strip(), {}
    if link[:8].lower() != "magnet:?":
        raise Refused("not_magnet")
    lists = {key: [] for key in ("tr", "ws", "x.pe", "dht", "so")}
    for parameter in link[8:].split("&"):
        key, _, value = parameter.partition("=")
        key, value = re.sub(r"\.\d+$", "", key), unquote_to_bytes(value).decode(errors="replace")
        if key == "xt":
            topic(value, found)
        elif key in lists:
            lists[key].append(value)
    if not found:
        raise Refused("no_info_hash")
    address = lambda text: text and not re.search(r"[\s\x00-\x1f]", text)
    facts = {
        "info_hash": found.get("btih"),
        "info_hash_v2": found.get("btmh"),
        "trackers": list(filter(address, lists["tr"])),
        "web_seeds": list(filter(address, lists["ws"])),
        "peers": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in nodes(lists["x.pe"])],
        "nodes": nodes(lists["dht"]),
        "select": ranges(",".join(lists["so"])),
    }
    return dict(vector.get("value", {}), **facts), None  # the name is not judged, nor how the link is written


def topic(urn, found):
    kind, _, digest = urn.rpartition(":")
    kind = {"urn:btih": "btih", "urn:btmh": "btmh"}.get(kind.lower())
    if kind == "btih" and re.fullmatch(r"[A-Za-z2-7]{32}", digest):
        digest = base64.b32decode(digest.upper()).hex()
    elif kind == "btmh":
        digest = re.sub(r"^1220", "", digest)
    if kind is None:
        return
    if not re.fullmatch({"btih": r"[0-9A-Fa-f]{40}", "btmh": r"[0-9A-Fa-f]{64}"}[kind], digest):
        raise Refused("bad_info_hash")
    if found.setdefault(kind, digest.lower()) != digest.lower():
        raise Refused("two_info_hashes")


def nodes(texts):
    found = []
    for text in texts:
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):(\d+)", text)
        if match and 0 < int(match[3]) < 65536:
            found.append([str(ipaddress.IPv6Address(match[1])) if match[1] else match[2], int(match[3])])
    return found


def ranges(text):
    parts = (re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in text.split(","))
    pairs = sorted((int(part[1]), int(part[2] or part[1])) for part in parts if part)
    merged = []
    for first, last in pairs:
        if first > last or last >= 1_000_000:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


# --- the peer wire (BEP 3, 5, 6, 10, 52)

PIECE = (("piece", "I"),)
PLACE = (*PIECE, ("begin", "I"))
BLOCK = (*PLACE, ("length", "I"))
# By id: the name, and the fixed fields with their layout.
MESSAGES = {
    0: ("choke", ()), 1: ("unchoke", ()), 2: ("interested", ()), 3: ("not_interested", ()),
    4: ("have", PIECE), 5: ("bitfield", ()), 6: ("request", BLOCK), 7: ("piece", PLACE), 8: ("cancel", BLOCK),
    9: ("port", (("port", "H"),)), 13: ("suggest", PIECE), 14: ("have_all", ()), 15: ("have_none", ()),
    16: ("reject", BLOCK), 17: ("allowed_fast", PIECE), 20: ("extended", (("id", "B"),)),
    21: ("hash_request", ()), 22: ("hashes", ()), 23: ("hash_reject", ()),
}
WITH_PAYLOAD = ("bitfield", "piece", "extended", "hash_request", "hashes", "hash_reject")


def wire_message(vector):
    data = input_of(vector)
    if struct.unpack_from(">I", data)[0] != len(data) - 4:
        raise Refused("length")
    if len(data) == 4:
        return {"type": "keep_alive"}, data.hex()
    name, fields = MESSAGES[data[4]]
    layout = ">" + "".join(kind for _, kind in fields)
    numbers = struct.unpack_from(layout, data, 5)
    value = {"type": name, **dict(zip((key for key, _ in fields), numbers))}
    payload = data[5 + struct.calcsize(layout) :]
    if name in WITH_PAYLOAD:
        value["payload"] = payload.hex()
    body = bytes([data[4]]) + struct.pack(layout, *numbers) + bytes.fromhex(value.get("payload", ""))
    return value, (struct.pack(">I", len(body)) + body).hex()


IDS = ("ut_metadata", "ut_pex", "lt_donthave", "ut_holepunch", "upload_only", "ic_auth", "ic_priority")
NUMBERS = {
    b"ic_version": ("ic_version", 1, (1 << 32) - 1),
    b"ic_capabilities": ("ic_capabilities", 0, (1 << 16) - 1),
    b"metadata_size": ("metadata_size", 1, 1 << 25),
    b"p": ("listen_port", 1, (1 << 16) - 1),
    b"reqq": ("reqq", 1, (1 << 32) - 1),
}


def wire_extended(vector):
    try:
        said = Bencode(input_of(vector), False, 16).all()
    except Refused:
        said = None
    if not isinstance(said, dict):
        raise Refused("ignored")
    taken, ids = {}, said.get(b"m")
    for name in IDS if isinstance(ids, dict) else ():
        number = ids.get(name.encode())
        if isinstance(number, int) and 0 <= number < 256:
            # `upload_only` is also the name of a key beside `m`.
            taken["upload_only_id" if name == "upload_only" else name] = number
    for key, (name, least, most) in NUMBERS.items():
        if isinstance(said.get(key), int) and least <= said[key] <= most:
            taken[name] = said[key]
    if "ic_capabilities" in taken:
        taken["ic_capabilities"] &= 0b11111  # the rest has no meaning yet
    if isinstance(said.get(b"v"), bytes):
        taken["client"] = said[b"v"].decode()
    if isinstance(said.get(b"yourip"), bytes) and len(said[b"yourip"]) in (4, 16):
        taken["your_ip"] = str(ipaddress.ip_address(said[b"yourip"]))
    return taken, None  # how it is written is not judged


def wire_handshake(vector):
    data, name = input_of(vector), b"\x13BitTorrent protocol"
    for at, (byte, wanted) in enumerate(zip(data, name), 1):
        if byte != wanted:
            raise Refused("not_bittorrent", at)
    expected = vector.get("setup", {}).get("expected_info_hash")
    if expected and len(data) >= 48 and data[28:48].hex() != expected:
        raise Refused("wrong_info_hash", 48)
    if len(data) != 68:
        raise Refused("unexpected_end")
    reserved, info_hash, peer_id = data[20:28], data[28:48], data[48:68]
    value = {
        "reserved": reserved.hex(),
        "extended": bool(reserved[5] & 0x10),
        "fast": bool(reserved[7] & 0x04),
        "dht": bool(reserved[7] & 0x01),
        "info_hash": info_hash.hex(),
        "peer_id": peer_id.hex(),
    }
    return value, (name + reserved + info_hash + peer_id).hex()


# --- extension messages (BEP 9, 11, 21, 52, 54, 55; IC), and what both sides compute (BEP 6, 40)


def dictionary(data, most, strict=False):
    """A dictionary of at most so many bytes, and what stands behind it."""
    if len(data) > most:
        raise Refused("too_long")
    decoder = Bencode(data, strict, 32 if strict else 16)
    try:
        entries = decoder.value(0)
    except Refused:
        entries = None
    if not isinstance(entries, dict):
        raise Refused("malformed")
    return entries, data[decoder.end :]


def whole(data, most, strict=False):
    entries, rest = dictionary(data, most, strict)
    if rest:
        raise Refused("malformed")
    return entries


def required(entries, key, kind):
    if not isinstance(entries.get(key), kind):
        raise Refused("malformed")
    return entries[key]


def u32(entries, key):
    number = required(entries, key, int)
    if not 0 <= number < 1 << 32:
        raise Refused("malformed")
    return number


def unpack(layout, data):
    if len(data) != struct.calcsize(layout):
        raise Refused("malformed")
    return struct.unpack(layout, data)


def ut_metadata(vector):
    message, data = dictionary(input_of(vector), 17 * 1024)
    kind = required(message, b"msg_type", int)
    if kind not in (0, 1, 2):
        raise Refused("ignored")
    value = {"type": ("request", "data", "reject")[kind], "piece": u32(message, b"piece")}
    written = {b"msg_type": kind, b"piece": value["piece"]}
    if kind == 1:
        value["total_size"] = written[b"total_size"] = u32(message, b"total_size")
        value["data"] = data.hex()
    return value, (bencoded(written) + bytes.fromhex(value.get("data", ""))).hex()


def address(compact):
    ip, port = ipaddress.ip_address(compact[:-2]), int.from_bytes(compact[-2:], "big")
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def ut_pex(vector):
    fields = whole(input_of(vector), 500 * 1024)
    string = lambda key: fields[key] if isinstance(fields.get(key), bytes) else b""
    value = {"added": [], "dropped": []}
    for family, length in ((b"", 6), (b"6", 18)):
        peers = {key: string(key + family) for key in (b"added", b"dropped")}
        cut = lambda key: [peers[key][at : at + length] for at in range(0, len(peers[key]), length)]
        added, dropped = (cut(key) if len(peers[key]) % length == 0 else [] for key in peers)
        flags = string(b"added" + family + b".f")
        flags = flags if len(flags) == len(added) else bytes(len(added))
        value["added"] += [[address(peer), flag] for peer, flag in zip(added, flags)]
        value["dropped"] += map(address, dropped)
    return {key: peers[:50] for key, peers in value.items()}, None  # how it is written is not judged


HOLEPUNCH_ERRORS = {1: "no_such_peer", 2: "not_connected", 3: "no_support", 4: "no_self"}


def ut_holepunch(vector):
    data = input_of(vector)
    length = 2 + {0: 6, 1: 18}.get(data[1], 1 << 20) if len(data) > 1 else 1 << 20
    # Where there is no error its code may be left out.
    if len(data) != length + 4 and (len(data) != length or data[0] == 2):
        raise Refused("malformed")
    if data[0] > 2:
        raise Refused("ignored")
    value = {"type": ("rendezvous", "connect", "error")[data[0]], "addr": address(data[2:length])}
    error = int.from_bytes(data[length:], "big") if data[0] == 2 else 0
    if data[0] == 2:
        value["error"] = HOLEPUNCH_ERRORS.get(error, error)
    return value, (data[:length] + struct.pack(">I", error)).hex()


def lt_donthave(vector):
    (piece,) = unpack(">I", input_of(vector))
    return {"piece": piece}, struct.pack(">I", piece).hex()


def upload_only(vector):
    (flag,) = unpack("?", input_of(vector))
    return {"upload_only": flag}, struct.pack("?", flag).hex()


def hash_request(vector):
    root, base_layer, index, length, proof_layers = unpack(">32s4I", input_of(vector))
    if length not in [1 << power for power in range(1, 10)] or index % length:
        raise Refused("malformed")
    value = {"pieces_root": root.hex(), "base_layer": base_layer, "index": index}
    value |= {"length": length, "proof_layers": proof_layers}
    return value, struct.pack(">32s4I", root, base_layer, index, length, proof_layers).hex()


def ic_auth(vector):
    fields = whole(input_of(vector), 1024, strict=True)
    issued_at = required(fields, b"issued_at", int)
    lengths = {b"community_id": 32, b"player_key": 32, b"session_id": 16, b"signature": 64}
    if issued_at < 0 or any(len(required(fields, key, bytes)) != length for key, length in lengths.items()):
        raise Refused("malformed")
    token = fields[b"player_key"] + fields[b"session_id"] + struct.pack(">Q", issued_at) + fields[b"signature"]
    known = {key: fields[key] for key in (*lengths, b"issued_at")}
    return {"community_id": fields[b"community_id"].hex(), "token": token.hex()}, bencoded(known).hex()


def ic_priority(vector):
    fields = whole(input_of(vector), 16 * 1024, strict=True)
    priority, named = required(fields, b"priority", int), required(fields, b"pieces", list)
    exists = lambda entry: isinstance(entry, int) and 0 <= entry < vector["setup"]["pieces"]
    pieces = list(filter(exists, named[:1024]))
    if priority not in (0, 1, 2) or named and not pieces:
        raise Refused("ignored")
    value, reason = {"pieces": pieces, "priority": priority}, fields.get(b"reason")
    written = {key.encode(): entry for key, entry in value.items()}
    try:
        if isinstance(reason, bytes) and len(reason) <= 64:
            value["reason"], written[b"reason"] = reason.decode(), reason
    except UnicodeDecodeError:
        pass
    return value, bencoded(written).hex()


def allowed_fast(vector):
    setup = vector["setup"]
    x, found = ipaddress.ip_address(setup["ip"]).packed[:3] + b"\0" + bytes.fromhex(setup["info_hash"]), []
    while len(found) < min(setup["k"], setup["pieces"]):
        x = sha1(x)
        for word in struct.unpack(">5I", x):
            found += [word % setup["pieces"]] if word % setup["pieces"] not in found else []
    return found[: setup["k"]], None


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return struct.pack(">I", crc ^ 0xFFFFFFFF)


def peer_priority(vector):
    parts = (vector["setup"][side].rpartition(":") for side in ("one", "other"))
    (a, b), ports = zip(*((ipaddress.ip_address(ip.strip("[]")).packed, int(port)) for ip, _, port in parts))
    if a == b:
        return crc32c(struct.pack(">2H", *sorted(ports))).hex(), None
    equal = next(at for at in range(len(a)) if a[at] != b[at])
    # BEP 40: all up to the first octet that differs, and at least half of IPv4 or /48; then every other bit.
    kept = max(equal + 1, {4: 2, 16: 6}[len(a)])
    masked = sorted(ip[:kept] + bytes(octet & 0x55 for octet in ip[kept:]) for ip in (a, b))
    return crc32c(b"".join(masked)).hex(), None


# --- cryptography


def rc4_keystream(key, length):
    state, i, j, stream = list(range(256)), 0, 0, bytearray()
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    for _ in range(length):
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        stream.append(state[(state[i] + state[j]) % 256])
    return bytes(stream)


def rc4(vector):
    offsets = {key: int(key) for key in vector["value"]}
    stream = rc4_keystream(bytes.fromhex(vector["setup"]["key"]), max(offsets.values()) + 16)
    return {key: stream[at : at + 16].hex() for key, at in offsets.items()}, None


def x25519_once(scalar, u):
    """The Montgomery ladder of RFC 7748, section 5."""
    p = (1 << 255) - 19
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    x1 = int.from_bytes(u, "little") % (1 << 255)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in reversed(range(255)):
        one = k >> bit & 1
        if one:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % p, c * b % p, a * a % p, b * b % p
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
        if one:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def x25519(vector):
    setup = vector["setup"]
    scalar, u = bytes.fromhex(setup["scalar"]), bytes.fromhex(setup["u"])
    for _ in range(setup.get("iterations", 1)):
        scalar, u = x25519_once(scalar, u), scalar
        if not any(scalar):
            raise Refused("all_zero")
    return scalar.hex(), None


P = (1 << 255) - 19
ORDER = (1 << 252) + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def sum_of(a, b):
    """Two points of edwards25519 in extended coordinates: RFC 8032, section 5.1.4."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    product = NEUTRAL
    while scalar:
        product = sum_of(product, point) if scalar & 1 else product
        point, scalar = sum_of(point, point), scalar >> 1
    return product


def compressed(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def decompressed(data):
    """The point, or None if there is none."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P:
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decompressed((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_small(point):
    x, y, z, _ = times(8, point)
    return x % P == 0 and (y - z) % P == 0


def sha512_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def signed(secret, message):
    """The public key, and the signature: RFC 8032, section 5.1.6."""
    digest = hashlib.sha512(secret).digest()
    a = int.from_bytes(digest[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    r, public = sha512_number(digest[32:], message) % ORDER, compressed(times(a, BASE))
    commitment = compressed(times(r, BASE))
    s = (r + sha512_number(commitment, public, message) * a) % ORDER
    return public, commitment + s.to_bytes(32, "little")


def verifies(point, public, message, signature):
    """Section 5.1.7, strictly: a canonical s, and no commitment of small order."""
    commitment, s = decompressed(signature[:32]), int.from_bytes(signature[32:], "little")
    if s >= ORDER or commitment is None or is_small(commitment):
        return False
    k = sha512_number(signature[:32], public, message) % ORDER
    x, y, z, t = times(k, point)
    return compressed(sum_of(times(s, BASE), (-x, y, z, -t))) == signature[:32]


def ed25519(vector):
    public, signature = signed(bytes.fromhex(vector["setup"]["secret_key"]), input_of(vector))
    return {"public_key": public.hex(), "signature": signature.hex()}, None


PURPOSES = {"peer_message": 1, "udp_announce": 2, "ws_announce": 3}


def ic_token(vector):
    setup, token = vector["setup"], input_of(vector)
    if len(token) != 120:
        raise Refused("length")
    claim, signature = token[:56], token[56:]
    player_key, session_id, issued_at = struct.unpack(">32s16sQ", claim)
    if issued_at > int(setup["now"]) + 300:
        raise Refused("from_the_future")
    if int(setup["now"]) - issued_at > 86400:
        raise Refused("too_old")
    point = decompressed(player_key)
    if point is None or is_small(point):
        raise Refused("bad_key")
    if setup["version"] == 2:
        community_id, info_hash, audience = (
            bytes.fromhex(setup[key]) for key in ("community_id", "info_hash", "audience")
        )
        bound = bytes([PURPOSES[setup["purpose"]]]) + community_id + info_hash + sha256(audience)
        claim = b"ic-auth-2\0" + bound + claim
    if not verifies(point, player_key, claim, signature):
        raise Refused("bad_signature")
    value = {"player_key": player_key.hex(), "session_id": session_id.hex(), "issued_at": str(issued_at)}
    value |= {"signature": signature.hex(), "proves": (0, "identified_only", "authenticated")[setup["version"]]}
    again = token[:56] + signed(bytes.fromhex(setup["secret_key"]), claim)[1]
    return value, again.hex()


def hkdf_sha256(vector):
    setup = vector["setup"]
    prk = hmac.digest(bytes.fromhex(setup["salt"]) or bytes(32), input_of(vector), "sha256")
    block, okm = b"", b""
    while len(okm) < setup["length"]:
        count = len(okm) // 32 + 1
        block = hmac.digest(prk, block + bytes.fromhex(setup["info"]) + bytes([count]), "sha256")
        okm += block
    return {"prk": prk.hex(), "okm": okm[: setup["length"]].hex()}, None


def mse_derived(constants, row):
    """What both sides of an encrypted handshake derive from their keys."""
    p, skey = int(constants["p"], 16), bytes.fromhex(row["info_hash"])
    a, b = (int(row[side]["private"], 16) for side in ("initiator", "responder"))
    s = pow(pow(2, a, p), b, p).to_bytes(96, "big")
    req2, req3 = sha1(b"req2" + skey), sha1(b"req3" + s)
    derived = {
        "ya": pow(2, a, p).to_bytes(96, "big"),
        "yb": pow(2, b, p).to_bytes(96, "big"),
        "s": s,
        "req1": sha1(b"req1" + s),
        "req2": req2,
        "req2_xor_req3": bytes(x ^ y for x, y in zip(req2, req3)),
    }
    for side in ("a", "b"):
        key = sha1(b"key" + side.upper().encode() + s + skey)
        derived[f"keystream_{side}_after_drop"] = rc4_keystream(key, 1024 + 32)[1024:]
    return {name: value.hex() for name, value in derived.items()}


# --- trackers (BEP 3, 7, 15, 23, 24, 31, 41, 48; IC)

EVENTS = {1: "completed", 2: "started", 3: "stopped", 4: "paused"}


def udp_head(data, action, least, at):
    """The transaction of a packet that is long enough and has this action."""
    if len(data) < least or data[at : at + 4] != struct.pack(">I", action):
        raise Refused("malformed")
    other = 12 if at == 8 else 4
    return {"transaction": data[other : other + 4].hex()}


def udp_connect(vector):
    data = input_of(vector)
    if vector["setup"]["from"] == "tracker":
        return {**udp_head(data, 0, 16, 0), "connection": data[8:16].hex()}, data[:16].hex()
    if data[:8].hex() != "0000041727101980":
        raise Refused("malformed")
    return udp_head(data, 0, 16, 8), data[:16].hex()


def udp_announce_request(vector):
    data = input_of(vector)
    value = {"connection": data[:8].hex(), **udp_head(data, 1, 98, 8)}
    value |= {"info_hash": data[16:36].hex(), "peer_id": data[36:56].hex(), "key": data[88:92].hex()}
    *counts, event, num_want, port = struct.unpack(">QQQI8xiH", data[56:98])
    value |= dict(zip(("downloaded", "left", "uploaded"), map(str, counts)))
    value |= {"event": EVENTS.get(event, "none"), "num_want": num_want if num_want >= 0 else None, "port": port}
    value["url_data"], value["ic"], rest = "", None, data[98:]
    while rest and rest[0] != 0:
        length = 0 if rest[0] == 1 else 2 + rest[1] if len(rest) > 1 else 1 << 10
        if length > len(rest):
            rest = b""
        elif rest[0] == 2:
            value["url_data"] += rest[2:length].decode()
        rest = rest[length or 1 :]
    version, length = struct.unpack_from(">HH", rest) if len(rest) >= 6 else (0, 0)
    if 1 <= version <= 255 and length in (0, 120) and 6 + length <= len(rest):
        capabilities = int.from_bytes(rest[4 + length : 6 + length], "big") & 0b11111  # the rest has no meaning yet
        value["ic"] = {"version": version, "token": rest[4 : 4 + length].hex() or None, "capabilities": capabilities}
    return value, udp_announce_again(data, value)


def udp_announce_again(data, value):
    """As we write it: no address, options without gaps."""
    event = next((number for number, name in EVENTS.items() if name == value["event"]), 0)
    num_want = -1 if value["num_want"] is None else value["num_want"]
    again = data[:80] + struct.pack(">I4x", event) + data[88:92] + struct.pack(">iH", num_want, value["port"])
    url_data, ic = value["url_data"].encode(), value["ic"]
    for at in range(0, len(url_data), 255):
        part = url_data[at : at + 255]
        again += bytes([2, len(part)]) + part
    if ic:
        token = bytes.fromhex(ic["token"] or "")
        again += struct.pack(">HH", ic["version"], len(token)) + token + struct.pack(">H", ic["capabilities"])
    return again.hex()


def udp_announce_response(vector):
    setup, data = vector["setup"], input_of(vector)
    value, stride, ic = udp_head(data, 1, 20, 0), 18 if setup["ipv6"] else 6, None
    extra = (len(data) - 20) % stride
    if extra not in ((0, 4) if setup["ic"] else (0,)):
        raise Refused("malformed")
    head, trailer = data[: len(data) - extra], b""
    if extra:
        flags, advisories = struct.unpack(">HH", data[-4:])
        ic = {"auth_accepted": bool(flags & 1), "restricted": bool(flags & 2), "advisories": advisories}
        trailer = struct.pack(">HH", flags & 0b11, advisories)  # the rest has no meaning yet
    value |= dict(zip(("interval_s", "leechers", "seeders"), struct.unpack_from(">3I", head, 8)))
    return {**value, "peers": addresses(head[20:], stride), "ic": ic}, (head + trailer).hex()


def addresses(data, stride):
    whole = data if len(data) % stride == 0 else b""
    return [address(whole[at : at + stride]) for at in range(0, len(whole), stride)]


def udp_scrape(vector):
    data = input_of(vector)
    if vector["setup"]["from"] == "client":
        value = {"connection": data[:8].hex(), **udp_head(data, 2, 16, 8)}
        hashes = [data[at : at + 20] for at in range(16, len(data) - 19, 20)][:74]
        return {**value, "info_hashes": [hash.hex() for hash in hashes]}, (data[:16] + b"".join(hashes)).hex()
    value = udp_head(data, 2, 8, 0)
    if len(data) % 12 != 8 or len(data) > 8 + 12 * 74:
        raise Refused("malformed")
    swarms = [struct.unpack_from(">3I", data, at) for at in range(8, len(data), 12)]
    return {**value, "swarms": [dict(zip(("seeders", "completed", "leechers"), swarm)) for swarm in swarms]}, data.hex()


def words(data):
    """A tracker's words, as far as they are judged: short ones."""
    return re.sub("[\x00-\x1f\x7f-\x9f]", "\ufffd", data.decode(errors="replace"))


def udp_error(vector):
    data = input_of(vector)
    return {**udp_head(data, 3, 8, 0), "reason": words(data[8:])}, None  # how it is written is not judged


def http_url(url, error):
    """The URL, and the mark behind which a query goes on."""
    if not re.fullmatch(r"https?://[^\s\x00-\x1f#]+(#.*)?", url, re.IGNORECASE):
        raise Refused(error)
    url = url.partition("#")[0]
    return url, "&" if "?" in url else "?"


def http_announce_url(vector):
    setup = vector["setup"]
    url, mark = http_url(setup["url"], "no_http")
    quoted = lambda key: quote(bytes.fromhex(setup[key]), safe="")
    query = [("info_hash", quoted("info_hash")), ("peer_id", quoted("peer_id"))]
    query += [(key, setup[key]) for key in ("port", "uploaded", "downloaded", "left")]
    query += [("compact", 1), ("no_peer_id", 1)]
    query += [("numwant", setup["num_want"])] if "num_want" in setup else []
    query += [("key", setup["key"])]
    query += [("event", setup["event"])] if "event" in setup else []
    query += [("trackerid", quote(setup["tracker_id"], safe=""))] if "tracker_id" in setup else []
    encryption = {"supported": "supportcrypto", "required": "requirecrypto"}.get(setup.get("encryption"))
    query += [(encryption, 1)] if encryption else []
    return url + mark + "&".join(f"{key}={value}" for key, value in query), None


def http_scrape_url(vector):
    url, mark = http_url(vector["setup"]["url"], "no_scrape")
    path, question, query = url.partition("?")
    folder, _, element = path.rpartition("/")
    hashes = vector["setup"]["info_hashes"]
    if not element.startswith("announce") or not 1 <= len(hashes) <= 74:
        raise Refused("no_scrape")
    asked = "&".join("info_hash=" + quote(bytes.fromhex(hash), safe="") for hash in hashes)
    return f"{folder}/scrape{element[8:]}{question}{query}{mark}{asked}", None


def http_answer(vector):
    """The dictionary of an answer, or the value of a refusal."""
    data, status = vector["text"].encode() if "text" in vector else input_of(vector), vector["setup"]["status"]
    try:
        answer = Bencode(data, False, 8).value(0)
    except Refused:
        answer = None
    reason = answer.get(b"failure reason") if isinstance(answer, dict) else None
    if isinstance(reason, bytes):
        minutes = answer.get(b"retry in", b"")
        if isinstance(minutes, bytes):
            minutes = "never" if minutes == b"never" else int(minutes) if minutes.isdigit() else None
        elif minutes < 0:
            minutes = None
        return None, {"refused": words(reason), "retry_in_minutes": minutes}
    if status != 200:
        raise Refused("status")
    if not isinstance(answer, dict):
        raise Refused("malformed")
    return answer, None


def number_of(answer, key, below=1 << 64):
    number = answer.get(key) if isinstance(answer, dict) else None
    return number if isinstance(number, int) and 0 <= number < below else None


def http_announce_response(vector):
    answer, refusal = http_answer(vector)
    if refusal:
        return refusal, None
    string = lambda key: answer[key] if isinstance(answer.get(key), bytes) else b""
    value = {"interval_s": number_of(answer, b"interval"), "min_interval_s": number_of(answer, b"min interval")}
    for name, key in (("seeders", b"complete"), ("leechers", b"incomplete"), ("completed", b"downloaded")):
        value[name] = number_of(answer, key, 1 << 32)
    value["hosts"], peers = [], [peer for peer in addresses(string(b"peers"), 6)]
    for peer in answer[b"peers"] if isinstance(answer.get(b"peers"), list) else []:
        host, port = peer.get(b"ip", b"").decode(), number_of(peer, b"port", 1 << 16)
        if re.fullmatch(r"[0-9.]+|.*:.*", host):
            peers.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        elif port and re.fullmatch(r"[A-Za-z0-9._-]{1,253}", host):
            value["hosts"].append([host, port])
    peers += addresses(string(b"peers6"), 18)
    value["peers"] = [peer for peer in peers if not peer.endswith((":0", ":None"))]
    ip = string(b"external ip")
    ip = ipaddress.ip_address(ip) if len(ip) in (4, 16) else None
    value["external_ip"] = ip and str(getattr(ip, "ipv4_mapped", None) or ip)
    tracker_id = string(b"tracker id")
    value["tracker_id"] = tracker_id.decode() if b"tracker id" in answer and len(tracker_id) <= 256 else None
    value["warning"] = words(string(b"warning message")) if b"warning message" in answer else None
    return value, None  # how it is written is not judged


def http_scrape_response(vector):
    answer, refusal = http_answer(vector)
    if refusal:
        return refusal, None
    if not isinstance(answer.get(b"files"), dict):
        raise Refused("malformed")
    swarms = [answer[b"files"].get(bytes.fromhex(hash)) for hash in vector["setup"]["info_hashes"]]
    keys = (("seeders", b"complete"), ("completed", b"downloaded"), ("leechers", b"incomplete"))
    keys += (("downloaders", b"downloaders"),)
    return [{name: number_of(swarm, key, 1 << 32) for name, key in keys} for swarm in swarms], None


# --- files

KNOWN = (bencode, info, torrent, torrent_built, merkle, magnet, wire_message, wire_extended, wire_handshake)
KNOWN += (ut_metadata, ut_pex, ut_holepunch, lt_donthave, upload_only, hash_request, ic_auth, ic_priority)
KNOWN += (udp_connect, udp_announce_request, udp_announce_response, udp_scrape, udp_error)
KNOWN += (http_announce_url, http_announce_response, http_scrape_url, http_scrape_response)
KNOWN += (allowed_fast, peer_priority, rc4, x25519, ed25519, ic_token, hkdf_sha256)
CODECS = {codec.__name__.replace("_", "-"): codec for codec in KNOWN}


def input_of(vector):
    data = vector["bytes"]
    return filler(data["filler"]) if isinstance(data, dict) else bytes.fromhex(data)


def faults_of_schema(file):
    """What codec.schema.json asks for, by hand."""
    if set(file) != {"schema", "codec", "about", "provenance", "fields", "vectors"}:
        yield "", f"the file has {sorted(file)}"
    if not file.get("provenance") or not file.get("vectors"):
        yield "", "provenance and vectors must not be empty"
    known = {"name", "setup", "bytes", "text", "value", "canonical", "error", "error_at_byte"}
    names = set()
    for vector in file.get("vectors", []):
        name = vector.get("name", "")
        if name in names or not name:
            yield name, "every vector has a name of its own"
        names.add(name)
        if set(vector) - known:
            yield name, f"nobody knows {sorted(set(vector) - known)}"
        if ("value" in vector) == ("error" in vector) or "canonical" in vector and "value" not in vector:
            yield name, "there is either a value, perhaps canonical, or an error"
        if not {"bytes", "text", "setup"} & set(vector) or {"bytes", "text"} <= set(vector):
            yield name, "there are bytes, text, or at least a setup"
        if isinstance(vector.get("bytes"), str) and not re.fullmatch("([0-9a-f]{2})*", vector["bytes"]):
            yield name, "bytes are hex, in small letters"


def fault_of(vector, codec):
    """What the vector says and what this checker finds, if they differ."""
    expected = vector.get("value", ("error", vector.get("error"), vector.get("error_at_byte")))
    try:
        found, written = codec(vector)
    except Refused as refused:
        found, written = ("error", refused.code, refused.at_byte), None
    if found != expected:
        return expected, found
    canonical = vector.get("canonical")
    canonical = vector.get("bytes", vector.get("text")) if canonical is True else canonical
    if None not in (canonical, written) and written != canonical:
        return canonical, written
    return None


def check(path):
    """The faults of a file, how many vectors were checked, and why others were not."""
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return [("", "JSON in UTF-8", error)], 0, {}
    if "transcripts" in file and "derived" in file["transcripts"][0]:
        faults = []
        for row in file["transcripts"]:
            found = mse_derived(file["constants"], row)
            pairs = ((row["derived"][key], value) for key, value in found.items())
            faults += [(row["name"], expected, value) for expected, value in pairs if expected != value]
        return faults, len(file["transcripts"]), {"hostile peers and plain ones": len(file["hostile"]) + 1}
    if file.get("schema") != "codec.schema.json":
        return [], 0, {f"schema {file.get('schema')} is not known here": 1}
    faults = [(name, "a vector of the schema", fault) for name, fault in faults_of_schema(file)]
    codec, checked, skipped = CODECS.get(file.get("codec")), 0, Counter()
    for vector in file.get("vectors", []):
        if codec is None:
            skipped[f"codec {file['codec']} is not known here"] += 1
            continue
        try:
            fault = fault_of(vector, codec)
        except Skip as reason:
            skipped[str(reason)] += 1
            continue
        except Exception as error:  # a vector that breaks a decoder is a fault of one of them
            fault = ("an answer", repr(error))
        checked += 1
        if fault:
            faults.append((vector.get("name"), *fault))
    return faults, checked, skipped


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    paths = [path for path in sorted(folder.rglob("*.json")) if not path.name.endswith("schema.json")]
    totals = [0, 0, 0]
    for path in paths:
        faults, checked, skipped = check(path)
        counts = (checked, len(faults), sum(skipped.values()))
        totals = [total + count for total, count in zip(totals, counts)]
        print("{}: {} checked, {} failed, {} skipped".format(path.relative_to(folder), *counts))
        for name, expected, found in faults:
            print(f"  FAILED {name}: expected {expected}, found {found}")
        for reason, count in skipped.items():
            print(f"  {count} skipped: {reason}")
    print("{} files: {} checked, {} failed, {} skipped".format(len(paths), *totals))
    return 1 if totals[1] else 0 if totals[0] else 2


if __name__ == "__main__":
    sys.exit(main())
