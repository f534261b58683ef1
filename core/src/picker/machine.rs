//! The picker's machine.
/// The picker.
#[derive(Debug)]
pub struct Picker;
