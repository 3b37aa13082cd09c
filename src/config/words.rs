//! Words and durations: what a person writes, and what to answer when it is not understood.

use std::path::PathBuf;
use std::time::Duration;

use crate::time::Exact;

/// How alike two words must be before one is offered for the other.
const ALIKE: f64 = 0.8;
/// Keys of Datastore are short, and the rest of a key needs room too.
const LONGEST_LABEL: usize = 100;
/// More digits behind the point say nothing about nanoseconds.
const MOST_DECIMALS: u32 = 9;

/// The value that goes by the name `text`.
pub(super) fn choose<T: Copy>(choices: &[(&str, T)], text: &str) -> Result<T, String> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(*value),
        None => Err(format!("\"{}\" is not known here; {}", text.escape_debug(), suggest(text, &names))),
    }
}

/// What to say to somebody who wrote `text` where one of `names` stands.
pub(super) fn suggest(text: &str, names: &[&str]) -> String {
    let likeness = |name: &&str| strsim::jaro_winkler(text, name);
    match names.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(name) if likeness(&name) > ALIKE => format!("did you mean \"{name}\"?"),
        _ => format!("write one of: {}", names.join(", ")),
    }
}

/// A place in the file system.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("a path cannot be empty".to_owned()),
        _ if text.contains('\0') => Err("a path cannot contain a NUL character".to_owned()),
        _ => Ok(text.into()),
    }
}

/// The number of bytes that `text` says, such as `64KiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text, |c| c.is_ascii_digit());
    let unit = match unit {
        "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let size = unit.and_then(|unit: usize| unit.checked_mul(number.parse().ok()?));
    size.ok_or_else(|| {
        format!("\"{}\" is not a size; write it like \"64KiB\" or \"1MiB\"", text.escape_debug())
    })
}

/// The duration that `text` says: numbers with units, such as `500ms`, `10s`, `1.5s` or `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let text = text.escape_debug();
        format!("\"{text}\" is not a duration; write it like \"500ms\", \"10s\", \"1.5s\" or \"1h30m\"")
    };
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let part = part(number, unit).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    Ok(total)
}

/// `value`, if it lies between two limits, which it may equal.
pub(super) fn within<T: PartialOrd + Copy>(
    value: T,
    least: T,
    most: T,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{} is not between {} and {}", show(value), show(least), show(most)))
    }
}

/// A name that people give: not empty, not long, all on one line, and not one that a store reserves.
pub(super) fn label(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("a name cannot be empty".to_owned()),
        1..=LONGEST_LABEL if text.contains(char::is_control) => {
            Err("a name cannot contain control characters".to_owned())
        }
        1..=LONGEST_LABEL if text.starts_with("__") && text.ends_with("__") => {
            Err("a name cannot begin and end with two underscores: Datastore keeps those".to_owned())
        }
        1..=LONGEST_LABEL => Ok(text.to_owned()),
        length => Err(format!("a name has at most {LONGEST_LABEL} bytes, this one has {length}")),
    }
}

/// One number and its unit.
fn part(number: &str, unit: &str) -> Option<Duration> {
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return None,
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let places = u32::try_from(decimals.len()).ok().filter(|places| *places <= MOST_DECIMALS)?;
    let whole = unit.checked_mul(whole.parse().ok()?)?;
    whole.checked_add(unit.checked_mul(decimals.parse().ok()?)? / 10_u32.pow(places))
}

/// `text`, cut behind the characters at its start that are `inside`.
fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

/// A duration as [`duration`] reads it, to the millisecond.
pub(super) fn show(duration: Duration) -> String {
    Exact(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_shown() {
        for (text, millis) in [("0s", 0), ("500ms", 500), ("1.5s", 1500), ("10s", 10_000), ("90s", 90_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
            assert_eq!(show(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("1d"), Ok(Duration::from_hours(24)));
        assert_eq!(show(Duration::from_secs(10) / 3), "3.333s");
    }

    #[test]
    fn what_is_no_duration_is_refused_whatever_it_is() {
        for text in ["", "10", "s", ".", ".s", "1.s", "1..2s", "-1s", " 1s", "1 s", "1y", "10S", "٣s"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert!(duration("99999999999999999999s").is_err());
        assert!(duration("0.1234567890s").is_err());
    }

    #[test]
    fn sizes_are_numbers_with_units() {
        assert_eq!([size("0B"), size("64KiB"), size("1GiB")], [Ok(0), Ok(65_536), Ok(1 << 30)]);
        for text in ["", "64", "KiB", "64kb", "1.5MiB", "-1B", "99999999999999999999B", "99999999999999GiB"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_word() {
        assert_eq!(suggest("evry", &["name", "every"]), "did you mean \"every\"?");
        assert_eq!(suggest("xyz", &["name", "every"]), "write one of: name, every");
    }
}
