//! Texts of strangers, made fit for a terminal.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

/// `text` without what could move the cursor, change colours or turn the line around: control characters
/// and those that set the direction of writing are shown as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Bytes as lower-case hex digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Seconds of Unix time as a date in UTC; as they are where no calendar has a page for them.
pub(crate) fn utc(seconds: i64) -> String {
    let date = u64::try_from(seconds).ok().and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s)));
    let mut shown = String::new();
    match date.map(|date| write!(shown, "{}", humantime::format_rfc3339_seconds(date))) {
        Some(Ok(())) => shown,
        Some(Err(_)) | None => format!("{seconds} s of Unix time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_stranger_do_not_reach_the_terminal() {
        assert_eq!(printable("plain – ünï 漢"), "plain – ünï 漢");
        assert_eq!(printable("\u{1b}[2Jx"), "\\u{1b}[2Jx");
        assert_eq!(printable("a\u{202e}b\nc\u{9b}"), "a\\u{202e}b\\u{a}c\\u{9b}");
    }

    #[test]
    fn dates_beyond_the_calendar_are_numbers() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(utc(-1), "-1 s of Unix time");
        assert_eq!(utc(i64::MAX), "9223372036854775807 s of Unix time");
    }
}
