//! Peers that mean harm: the attacks of a stranger, as raw bytes.
