#!/usr/bin/env python3
"""lt_peer.py or daemon_peer.py with a magnet link in the place of the torrent.

  magnet_peer.py libtorrent download LINK DIR [--peer ADDR]…
  magnet_peer.py transmission download LINK DIR --home DIR

Transmission waits to be dialled. "completed" means that both the metadata and the data have come.
"""
import os
import sys


def libtorrent():
    import lt_peer
    lt = lt_peer.lt

    def add(a, session):
        params = lt.parse_magnet_uri(a.torrent)
        params.save_path = os.path.abspath(a.dir)
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        params.flags |= (
            lt.torrent_flags.disable_dht | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex
        )
        return session.add_torrent(params)

    lt_peer.add = add
    del sys.argv[1]
    lt_peer.main()


def transmission():
    import daemon_peer

    class Transmission(daemon_peer.Transmission):
        def start(self):
            self.link, self.a.torrent = self.a.torrent, os.devnull
            super().start()

        def rpc(self, method, **arguments):
            if arguments.pop("metainfo", None) is not None:
                arguments["filename"] = self.link
            return super().rpc(method, **arguments)

    daemon_peer.CLIENTS["transmission"] = Transmission
    daemon_peer.main()


if __name__ == "__main__":
    {"libtorrent": libtorrent, "transmission": transmission}[sys.argv[1]]()
