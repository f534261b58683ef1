//! The choker's machine.
/// The choker.
#[derive(Debug)]
pub struct Choker;
