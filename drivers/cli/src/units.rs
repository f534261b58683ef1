//! Sizes, rates and times, as people type and read them.

use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};
use thiserror::Error;

/// A number of bytes: typed as `500k`, `64MiB` or `4096`, shown as `1.2 GiB`.
///
/// `k`, `M`, `G` and `T` count in thousands, `Ki`, `Mi`, `Gi` and `Ti` in 1024s; a `B` behind them changes
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "TypedSize")]
pub(crate) struct ByteSize(pub(crate) u64);

/// A size as it may stand in a configuration file.
#[derive(Deserialize)]
#[serde(untagged)]
enum TypedSize {
    Number(u64),
    Text(String),
}

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SizeError {
    /// It does not begin with a number.
    #[error("a size is a number with a unit or without, such as 4096, 500k or 1.5MiB")]
    NotANumber,
    /// What follows the number is no unit.
    #[error("the units are k, M, G, T (thousands) and Ki, Mi, Gi, Ti (1024s), with a B behind them or not")]
    UnknownUnit,
    /// More than 64 bits.
    #[error("too large")]
    TooLarge,
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let whole = parse_digits(whole)?;
        let unit = factor(unit.trim()).ok_or(SizeError::UnknownUnit)?;
        // Nine digits are exact in the arithmetic below, and more than anybody means.
        let fraction = fraction.get(..9).unwrap_or(fraction);
        let part =
            u128::from(parse_digits(fraction)?) * u128::from(unit) / 10_u128.pow(fraction.len() as u32);
        let bytes = u128::from(whole) * u128::from(unit) + part;
        u64::try_from(bytes).map(Self).map_err(|_| SizeError::TooLarge)
    }
}

fn parse_digits(digits: &str) -> Result<u64, SizeError> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(SizeError::NotANumber);
    }
    digits.parse().map_err(|_| SizeError::TooLarge)
}

/// How many bytes a unit stands for.
fn factor(unit: &str) -> Option<u64> {
    Some(match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1,
        "k" | "K" => 1000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        "t" | "T" => 1_000_000_000_000,
        "Ki" | "ki" => 1 << 10,
        "Mi" | "mi" => 1 << 20,
        "Gi" | "gi" => 1 << 30,
        "Ti" | "ti" => 1 << 40,
        _ => return None,
    })
}

impl TryFrom<TypedSize> for ByteSize {
    type Error = SizeError;

    fn try_from(typed: TypedSize) -> Result<Self, SizeError> {
        match typed {
            TypedSize::Number(bytes) => Ok(Self(bytes)),
            TypedSize::Text(text) => text.parse(),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        // Tenths, rounded half up; a size that rounds to 1024.0 takes the next unit.
        let tenths = |shift: usize| ((u128::from(self.0) * 10) + (1 << (10 * shift - 1))) >> (10 * shift);
        let shift = (1..6).find(|&shift| tenths(shift) < 10_240).unwrap_or(6);
        if f.alternate() && self.0.is_multiple_of(1 << (10 * shift)) {
            return write!(f, "{} {}", self.0 >> (10 * shift), UNITS[shift]);
        }
        write!(f, "{}.{} {}", tenths(shift) / 10, tenths(shift) % 10, UNITS[shift])
    }
}

/// Bytes a second, shown as `12.3 MiB/s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) u64);

impl Rate {
    /// The mean rate of `bytes` in `time`.
    pub(crate) fn mean(bytes: u64, time: Duration) -> Self {
        Self((u128::from(bytes) * 1_000_000 / time.as_micros().max(1)).try_into().unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

/// A time to wait in seconds, shown by its two largest units, as in `2m10s`; `∞` when nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eta(pub(crate) Option<u64>);

impl Eta {
    /// How long `left` bytes take at `rate` bytes a second.
    pub(crate) fn new(left: u64, rate: u64) -> Self {
        Self(if left == 0 { Some(0) } else { (rate > 0).then(|| left.div_ceil(rate)) })
    }
}

impl fmt::Display for Eta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("∞"),
            Some(s @ 0..60) => write!(f, "{s}s"),
            Some(s @ 60..3600) => write!(f, "{}m{:02}s", s / 60, s % 60),
            Some(s @ 3600..86_400) => write!(f, "{}h{:02}m", s / 3600, s % 3600 / 60),
            Some(s) => write!(f, "{}d{:02}h", s / 86_400, s % 86_400 / 3600),
        }
    }
}

/// `N` bytes, as twice as many hex digits.
pub(crate) fn bytes_from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(high)? << 4 | digit(low)?) as u8;
    }
    Some(bytes)
}

/// A length of time: typed as `90s`, `30m` or `1h 30m`, and shown so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text);
        time.map(Self).map_err(|_| "a time is a number with a unit, such as 90s, 30m or 1h30m".into())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(self.0))
    }
}

/// How much was sent for what was wanted, in thousandths: typed as `1.5` or `2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TypedRatio")]
pub(crate) struct Ratio(pub(crate) u32);

/// A ratio as it may stand in a configuration file.
#[derive(Deserialize)]
#[serde(untagged)]
enum TypedRatio {
    Number(f64),
    Text(String),
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1e6).contains(ratio));
        ratio
            .map(|ratio| Self((ratio * 1000.0).round() as u32))
            .ok_or_else(|| "a ratio is a number such as 1 or 1.5, and no more than a million".into())
    }
}

impl TryFrom<TypedRatio> for Ratio {
    type Error = String;

    fn try_from(typed: TypedRatio) -> Result<Self, String> {
        match typed {
            TypedRatio::Number(number) => number.to_string().parse(),
            TypedRatio::Text(text) => text.parse(),
        }
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

/// A part of a whole, shown as `42.17%`; rounded down, so that 100.00% means all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent {
    /// The part.
    pub(crate) part: u64,
    /// The whole; 0 shows as all of it.
    pub(crate) whole: u64,
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = u128::from(self.part) * 10_000;
        let hundredths = hundredths.checked_div(u128::from(self.whole)).unwrap_or(10_000);
        f.pad(&format!("{}.{:02}%", hundredths / 100, hundredths % 100))
    }
}

/// A whole number with its thousands set apart: `67,108,864`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, SizeError> {
        text.parse().map(|ByteSize(bytes)| bytes)
    }

    #[test]
    fn sizes_are_read_with_both_kinds_of_units() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("500k", 500_000),
            ("1M", 1_000_000),
            ("2GB", 2_000_000_000),
            ("16Ki", 16 << 10),
            ("256KiB", 256 << 10),
            ("64 MiB", 64 << 20),
            ("1.5Gi", 3 << 29),
            ("0.1k", 100),
            ("3T", 3_000_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "k", "fast", "-1", ".", "1.", ".5", "1.2.3", "+5"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["1x", "1 kib/s", "1BB", "5kb"] {
            assert_eq!(bytes(text), Err(SizeError::UnknownUnit), "{text}");
        }
        assert_eq!(bytes("99999999999999999999"), Err(SizeError::TooLarge));
        assert_eq!(bytes("99999999Ti"), Err(SizeError::TooLarge));
    }

    #[test]
    fn sizes_are_shown_with_one_decimal() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_288_490_189, "1.2 GiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (size, expected) in cases {
            assert_eq!(ByteSize(size).to_string(), expected);
        }
        assert_eq!(format!("{:#} {:#}", ByteSize(256 << 10), ByteSize(257 << 10)), "256 KiB 257 KiB");
        assert_eq!(format!("{:#}", ByteSize(1_500_000)), "1.4 MiB");
    }

    #[test]
    fn an_eta_shows_its_two_largest_units() {
        let shown = |seconds| Eta(Some(seconds)).to_string();
        assert_eq!([shown(0), shown(59), shown(130)], ["0s", "59s", "2m10s"]);
        assert_eq!([shown(3660), shown(90_000)], ["1h01m", "1d01h"]);
        assert_eq!(Eta::new(1, 0).to_string(), "∞");
        assert_eq!(Eta::new(0, 0), Eta(Some(0)));
        assert_eq!(Eta::new(11, 10), Eta(Some(2)));
    }

    #[test]
    fn times_have_units_and_ratios_have_none() {
        let seconds = |text: &str| text.parse::<Span>().map(|Span(time)| time.as_secs());
        assert_eq!(["90s", "30m", "1h30m", "1h 30m", "0s"].map(seconds), [90, 1800, 5400, 5400, 0].map(Ok));
        let permille = |text: &str| text.parse::<Ratio>().map(|Ratio(permille)| permille);
        assert_eq!(["0", "1", "1.5", "0.0014"].map(permille), [0, 1000, 1500, 1].map(Ok));
        for text in ["", "fast", "-1", "nan", "inf", "1e9"] {
            assert!(seconds(text).is_err() && permille(text).is_err(), "{text}");
        }
        assert!(seconds("30").is_err(), "nobody knows of what");
    }

    #[test]
    fn only_the_whole_is_a_hundred_percent() {
        assert_eq!(Percent { part: 99_999, whole: 100_000 }.to_string(), "99.99%");
        assert_eq!(Percent { part: 4217, whole: 10_000 }.to_string(), "42.17%");
        assert_eq!(Percent { part: 0, whole: 0 }.to_string(), "100.00%");
        assert_eq!(Percent { part: u64::MAX, whole: u64::MAX }.to_string(), "100.00%");
    }

    #[test]
    fn a_mean_rate_survives_no_time_at_all() {
        assert_eq!(Rate::mean(10, Duration::from_secs(2)).to_string(), "5 B/s");
        assert_eq!(Rate::mean(u64::MAX, Duration::ZERO).0, u64::MAX);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 67_108_864].map(grouped), ["0", "999", "1,000", "67,108,864"]);
    }
}
