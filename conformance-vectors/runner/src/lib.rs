//! Conformance vectors and transcripts: how they are read, and a runner that checks `convoy-core` against
//! them.

pub mod codec;
pub mod machine;
