//! Sizes, rates, times and shares as people write them, and ranges of them.

use bytesize::ByteSize;
use convoy_core::Random;
use serde::Deserialize;
use std::{fmt, str::FromStr, time::Duration};

/// A number of bytes, such as `16 MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

/// Bytes a second, such as `2 MiB/s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(pub u64);

/// A time in microseconds, such as `20 ms` or `1 min 30 s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub u64);

/// Parts of a million, such as `0.5 %`; at most all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(pub u32);

/// A quantity, or two with `to` between them: then each host draws its own, the ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String", bound = "Q: Quantity")]
pub struct Between<Q> {
    low: Q,
    high: Q,
}

/// What a range can be of.
pub trait Quantity: Copy + Ord + FromStr<Err: fmt::Display> {
    /// As a number of its smallest unit.
    fn number(self) -> u64;
    /// The opposite of [`number`](Self::number).
    fn of(number: u64) -> Self;
}

impl<Q: Quantity> Between<Q> {
    /// Always the same.
    pub const fn exactly(quantity: Q) -> Self {
        Self { low: quantity, high: quantity }
    }

    /// One of them, each as likely as any other.
    pub fn draw(self, random: &mut Random) -> Q {
        let (low, high) = (self.low.number(), self.high.number());
        if low == high {
            return self.low;
        }
        let mut dice = [0; 8];
        random.fill_public(&mut dice);
        let width = u128::from(high - low) + 1;
        // The product's high half is below `width`; its bias is below width / 2^64.
        Q::of(low + ((u128::from(u64::from_le_bytes(dice)) * width) >> 64) as u64)
    }
}

impl<Q: Quantity> FromStr for Between<Q> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |text: &str| text.trim().parse::<Q>().map_err(|error| error.to_string());
        let Some((low, high)) = text.split_once(" to ") else {
            return one(text).map(Self::exactly);
        };
        let (low, high) = (one(low)?, one(high)?);
        if low > high {
            return Err("the smaller end of a range comes first".to_owned());
        }
        Ok(Self { low, high })
    }
}

impl Span {
    /// As the core's own type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

impl Share {
    /// All of it.
    pub const ALL: Self = Self(1_000_000);

    /// This share of `number`, rounded up: of something, some of it is at least one.
    #[must_use]
    pub fn of(self, number: usize) -> usize {
        (number as u128 * u128::from(self.0)).div_ceil(1_000_000) as usize
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.parse::<ByteSize>();
        size.map(|size| Self(size.as_u64())).map_err(|_| "a size is written like 16 MiB or 500 kB".to_owned())
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.strip_suffix("/s").and_then(|size| size.trim().parse::<Size>().ok());
        size.map(|size| Self(size.0)).ok_or_else(|| "a rate is written like 2 MiB/s".to_owned())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time =
            humantime::parse_duration(text).map_err(|_| "a time is written like 20 ms or 1 min 30 s")?;
        u64::try_from(time.as_micros()).map(Self).map_err(|_| "too long".to_owned())
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is written like 30 % or 0.05 %, with at most four decimals".to_owned();
        let percent = text.strip_suffix('%').ok_or_else(wrong)?.trim();
        let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
        let digits = format!("{whole}{decimals:0<4}");
        if whole.is_empty() || decimals.len() > 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        match digits.parse() {
            Ok(ppm) if ppm <= Self::ALL.0 => Ok(Self(ppm)),
            _ => Err("a share is at most 100 %".to_owned()),
        }
    }
}

macro_rules! quantity {
    ($($name:ident)*) => {$(
        impl Quantity for $name {
            fn number(self) -> u64 {
                self.0.into()
            }

            fn of(number: u64) -> Self {
                // A number between two others of the type fits it.
                Self(number as _)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.trim().parse()
            }
        }
    )*};
}

quantity!(Size Rate Span Share);

impl<Q: Quantity> TryFrom<String> for Between<Q> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!("16 MiB".parse(), Ok(Size(16 << 20)));
        assert_eq!("500 kB".parse(), Ok(Size(500_000)));
        assert_eq!("2 MiB/s".parse(), Ok(Rate(2 << 20)));
        assert_eq!("20 ms".parse(), Ok(Span(20_000)));
        assert_eq!("1 min 30 s".parse(), Ok(Span(90_000_000)));
        assert_eq!("0.05 %".parse(), Ok(Share(500)));
        assert_eq!("100%".parse(), Ok(Share::ALL));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        assert!("fast".parse::<Size>().is_err());
        assert!("2 MiB".parse::<Rate>().is_err(), "per what?");
        assert!("20".parse::<Span>().is_err(), "of what?");
        for share in ["5", "%", ".5 %", "0.00005 %", "-1 %", "101 %"] {
            assert!(share.parse::<Share>().is_err(), "{share}");
        }
        assert!("3 s to 2 s".parse::<Between<Span>>().is_err());
        assert!("3 s to".parse::<Between<Span>>().is_err());
    }

    #[test]
    fn draws_stay_in_the_range_and_reach_both_ends() {
        let range: Between<Span> = "1 us to 3 us".parse().unwrap();
        let mut random = Random::new([1; 32]);
        let mut seen = [0; 5];
        for _ in 0..300 {
            seen[range.draw(&mut random).0 as usize] += 1;
        }
        assert_eq!((seen[0], seen[4]), (0, 0));
        assert!(seen[1..4].iter().all(|&count| count > 60), "{seen:?}");
    }

    #[test]
    fn some_of_something_is_at_least_one() {
        assert_eq!([0, 1, 10, 20].map(|hosts| Share(100_000).of(hosts)), [0, 1, 1, 2]);
        assert_eq!(Share::ALL.of(7), 7);
        assert_eq!(Share(0).of(7), 0);
    }
}
