//! Codec vectors: bytes and the value they stand for, or the error they must give.
