//! Torrents whose bytes follow from a seed and an offset, so that nobody stores them.
