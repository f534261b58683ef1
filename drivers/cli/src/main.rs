//! The program `convoy`.
fn main() {}
