//! Which states an input reached.

use std::{
    collections::BTreeSet,
    fmt::{self, Debug, Write},
};

/// The states that one input reached, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached(BTreeSet<String>);

impl Reached {
    /// Adds a state.
    pub fn add(&mut self, name: &str) {
        if !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Adds the state that a value stands for, by its variants: `Err(Peer(BadVc))` is "Err Peer BadVc".
    pub fn add_variant(&mut self, value: &impl Debug) {
        let mut shown = Variants::default();
        // It stops where the variants end.
        let _ = write!(shown, "{value:?}");
        let is_variant = |word: &&str| word.starts_with(char::is_uppercase);
        self.add(&shown.0.split(' ').take_while(is_variant).collect::<Vec<_>>().join(" "));
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Takes down what `Debug` writes, up to the first that cannot be a tuple of variants.
#[derive(Default)]
struct Variants(String);

impl Write for Variants {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '(' => self.0.push(' '),
                _ if letter.is_alphanumeric() => self.0.push(letter),
                _ => return Err(fmt::Error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_named_without_its_data() {
        let mut reached = Reached::default();
        reached.add_variant(&Some(Err::<(), _>(core::cmp::Ordering::Less)));
        reached.add_variant(&core::ops::ControlFlow::<_, ()>::Break([1, 2]));
        assert_eq!(reached.names().collect::<Vec<_>>(), ["Break", "Some Err Less"]);
    }
}
