//! Values that nobody is to see: where they stand, and how they are kept out of what jobs say.
//!
//! A configuration names the file that holds a secret, never the secret, so whatever shows the
//! configuration can show all of it. The file is read when a job starts, and what was read lives as
//! long as that run. What the run says is redacted on its way to the log.

use std::fs::File;
use std::io::{self, Read};
use std::iter::once;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

/// A longer file holds no secrets.
const LONGEST_FILE: u64 = 64 << 10;
/// A shorter text is not hidden: it would stand in many an innocent word.
const SHORTEST: usize = 8;
/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// How a configuration refers to a file.
const FILE: &str = "file:";

/// A value of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It stands in the configuration.
    Plain(String),
    /// It stands in this file, and is secret.
    File(PathBuf),
}

/// What was read from the files of a run.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Value {
    /// The value that `text` says: the content of a file if it is `file:` and a whole path.
    pub fn new(text: &str) -> Self {
        match text.strip_prefix(FILE) {
            Some(path) if path.starts_with('/') && !path.starts_with("//") => Self::File(path.into()),
            Some(_) | None => Self::Plain(text.to_owned()),
        }
    }

    /// The value itself. What is secret is remembered in `secrets`.
    pub(crate) async fn read(&self, secrets: &mut Secrets) -> Result<String, String> {
        match self {
            Self::Plain(value) => Ok(value.clone()),
            Self::File(path) => {
                let text = read(path).await?;
                let value = text.strip_suffix('\n').unwrap_or(&text);
                let value = value.strip_suffix('\r').unwrap_or(value);
                secrets.add(value);
                Ok(value.to_owned())
            }
        }
    }
}

/// The variables of an environment file: lines of `NAME=value`, empty ones, and comments behind a `#`.
/// Their values are remembered in `secrets`.
pub(crate) async fn read_env(path: &Path, secrets: &mut Secrets) -> Result<Vec<(String, String)>, String> {
    let text = read(path).await?;
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = variable(line)
            .ok_or_else(|| format!("{}:{number} is not a variable: write NAME=value", path.display()))?;
        secrets.add(value);
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

/// The name and the value, which may stand in quotes.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim_end(), value.trim_start());
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    let good = !name.is_empty() && !name.contains(char::is_whitespace) && !line.contains('\0');
    good.then_some((name, value))
}

/// A file that may hold secrets. On a thread of its own: it may stand on a disk that does not answer.
async fn read(path: &Path) -> Result<String, String> {
    let owned = path.to_owned();
    let read = spawn_blocking(move || {
        let mut text = String::new();
        File::open(owned)?.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length <= LONGEST_FILE) {
            Ok(text)
        } else {
            Err(io::Error::other(format!("it is longer than {LONGEST_FILE} bytes")))
        }
    });
    let text = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    text.map_err(|error| format!("cannot read {}: {error}", path.display()))
}

impl Secrets {
    /// Remembers each line of `value`, because what jobs say is looked at line by line, and each word,
    /// because of `Bearer hunter22` the second one alone is as good.
    fn add(&mut self, value: &str) {
        let parts = value.lines().flat_map(|line| once(line.trim()).chain(line.split_whitespace()));
        self.0.extend(parts.filter(|part| part.len() >= SHORTEST).map(str::to_owned));
        // One may be a part of another, which is to vanish as a whole.
        self.0.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.0.dedup();
    }

    /// `text` without the secrets in it.
    pub(crate) fn redact(&self, mut text: String) -> String {
        for secret in &self.0 {
            if text.contains(secret) {
                text = text.replace(secret, REDACTED);
            }
        }
        text
    }

    /// How many bytes at the end of `text` may be the beginning of a secret.
    pub(crate) fn begun(&self, text: &str) -> usize {
        let begins = |secret: &String| {
            let longest = text.len().min(secret.len() - 1);
            (1..=longest).rev().find(|length| text.as_bytes().ends_with(&secret.as_bytes()[..*length]))
        };
        self.0.iter().filter_map(begins).max().unwrap_or(0)
    }
}

/// How many there are, and nothing else.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
impl<'a> FromIterator<&'a str> for Secrets {
    fn from_iter<T: IntoIterator<Item = &'a str>>(values: T) -> Self {
        let mut secrets = Self::default();
        values.into_iter().for_each(|value| secrets.add(value));
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_from_a_file_is_not_said() {
        let secrets =
            Secrets::from_iter(["hunter22", "hunter22-and-more", "Key of-swordfish\nbase64base64\n"]);
        let said = |text: &str| secrets.redact(text.to_owned());
        assert_eq!(said("with hunter22, hunter22-and-more"), "with [redacted], [redacted]");
        assert_eq!(said("base64base64: Key of-swordfish"), "[redacted]: [redacted]");
        assert_eq!(said("?key=of-swordfish&page=1"), "?key=[redacted]&page=1");
        assert_eq!(said("nothing"), "nothing");
        assert_eq!(format!("{secrets:?}"), "Secrets(5)");
    }

    #[test]
    fn a_short_secret_hides_no_words() {
        assert_eq!(Secrets::from_iter(["live"]).redact("delivery".to_owned()), "delivery");
    }

    #[test]
    fn the_beginning_of_a_secret_is_known_as_one() {
        let secrets = Secrets::from_iter(["hunter22", "2212345678"]);
        assert_eq!(["say hunt", "say", "hunter22", ""].map(|text| secrets.begun(text)), [4, 0, 2, 0]);
    }

    #[test]
    fn only_a_whole_path_is_a_file() {
        for plain in ["file:./dev.db", "file:///etc/motd", "file:", "profile:/x", ""] {
            assert_eq!(Value::new(plain), Value::Plain(plain.to_owned()));
        }
        assert_eq!(Value::new("file:/run/token"), Value::File("/run/token".into()));
    }

    #[test]
    fn a_variable_may_stand_in_quotes() {
        for (line, value) in [("A=b c", "b c"), ("A = \"b=c\"", "b=c"), ("A='b\"", "'b\""), ("A=", "")] {
            assert_eq!(variable(line), Some(("A", value)), "{line}");
        }
        for line in ["A", "=b", "A B=c"] {
            assert_eq!(variable(line), None, "{line}");
        }
    }

    #[tokio::test]
    async fn a_file_that_never_ends_is_refused() {
        let mut secrets = Secrets::default();
        let endless = Value::File("/dev/zero".into()).read(&mut secrets).await;
        assert_eq!(endless.unwrap_err(), "cannot read /dev/zero: it is longer than 65536 bytes");
    }
}
