//! The network: hosts, links, streams, datagrams, NATs, partitions.
