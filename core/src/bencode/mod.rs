//! bencode (to come).
