//! One table of the file: which keys it may have, and what they say.

use std::borrow::Cow;

use toml::de::DeTable;

use super::file::{File, Found};
use super::layers::{Layers, Shown};
use super::problem::Source;
use super::words::suggest;

/// A table whose keys have been checked.
pub(super) struct Section<'f> {
    file: &'f File<'f>,
    table: &'f DeTable<'f>,
    source: Source,
    name: String,
    /// A table with a strange key is not told that it lacks another: they may well be the same.
    strange: bool,
}

impl<'f> Section<'f> {
    /// Takes `found` for the table called `name`, and reports keys that are neither `known` nor to
    /// come `later`.
    pub(super) fn open(
        layers: &mut Layers<'_>,
        file: &'f File<'f>,
        found: Found<'f>,
        name: &str,
        known: &[&str],
        later: &[&str],
    ) -> Option<Self> {
        let source = file.source(found.span());
        let Some(table) = found.value.as_table() else {
            let message = format!("{name} is a table, not {}", found.sort());
            layers.problem(source, message);
            return None;
        };
        let strange = check_keys(layers, file, table, known, later);
        Some(Self { file, table, source, name: name.to_owned(), strange })
    }

    /// The same under another name, for `tenure config show`.
    pub(super) fn called(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Where the value of `key` stands, or the table that lacks it.
    pub(super) fn source(&self, key: &str) -> Source {
        self.find(key).map_or(self.source.clone(), |found| self.file.source(found.span()))
    }

    /// The value of `key`; `None` if it is missing or wrong, and reported.
    pub(super) fn required<T>(
        &self,
        layers: &mut Layers<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.find(key) {
            Some(found) => self.take(layers, key, found.text(), self.source(key), parse),
            None => self.lacks(layers, key),
        }
    }

    /// The value of `key` or its default; `None` if it is wrong, and reported.
    pub(super) fn optional<T>(
        &self,
        layers: &mut Layers<'_>,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.find(key) {
            Some(found) => self.take(layers, key, found.text(), self.source(key), parse),
            None => self.take(layers, key, Ok(Cow::Borrowed(default)), Source::Default, parse),
        }
    }

    /// The value of `key`; `None` if it is not there, or is wrong and reported.
    pub(super) fn maybe<T>(
        &self,
        layers: &mut Layers<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.find(key)?;
        self.take(layers, key, found.text(), self.source(key), parse)
    }

    /// The one of `keys` that is there; `None` if there is none, or more, and reported.
    pub(super) fn one_of<'k>(&self, layers: &mut Layers<'_>, keys: &[&'k str]) -> Option<&'k str> {
        let present: Vec<_> = keys.iter().copied().filter(|key| self.find(key).is_some()).collect();
        match present[..] {
            [] => self.lacks(layers, &keys.join("\" or \"")),
            [one] => Some(one),
            [first, second, ..] => {
                let message = format!("{} has both \"{first}\" and \"{second}\"; keep one", self.name);
                layers.problem(self.source(second), message);
                None
            }
        }
    }

    /// Reports each of `keys` that is there: they mean something beside `other` only, not beside `key`.
    pub(super) fn misplaced(&self, layers: &mut Layers<'_>, keys: &[&str], other: &str, key: &str) {
        for found in keys.iter().filter(|key| self.find(key).is_some()) {
            layers.problem(
                self.source(found),
                format!("\"{found}\" goes with \"{other}\", not with \"{key}\""),
            );
        }
    }

    /// The table under `key`; `None` if it is missing or no table, and reported.
    pub(super) fn table(&self, layers: &mut Layers<'_>, key: &str, known: &[&str]) -> Option<Self> {
        match self.find(key) {
            Some(found) => Self::open(layers, self.file, found, &format!("{}.{key}", self.name), known, &[]),
            None => self.lacks(layers, key),
        }
    }

    fn find(&self, key: &str) -> Option<Found<'f>> {
        self.table.get(key).map(Found::from)
    }

    fn lacks<T>(&self, layers: &mut Layers<'_>, key: &str) -> Option<T> {
        if !self.strange {
            let message = format!("{} has no \"{key}\", which it needs", self.name);
            layers.problem(self.source.clone(), message);
        }
        None
    }

    fn take<T>(
        &self,
        layers: &mut Layers<'_>,
        key: &str,
        text: Result<Cow<'_, str>, String>,
        source: Source,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = text.and_then(|text| Ok((parse(&text)?, text.into_owned())));
        match value {
            Ok((parsed, value)) => {
                layers.shown.push(Shown { key: format!("{}.{key}", self.name), value, source });
                Some(parsed)
            }
            Err(message) => {
                layers.problem(source, message);
                None
            }
        }
    }
}

/// Reports every key of `table` that is not `known`, saying so of those that come `later`; whether
/// there was any.
pub(super) fn check_keys(
    layers: &mut Layers<'_>,
    file: &File<'_>,
    table: &DeTable<'_>,
    known: &[&str],
    later: &[&str],
) -> bool {
    let mut strange = false;
    for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
        let name = key.get_ref().escape_debug();
        let message = if later.contains(&key.get_ref().as_ref()) {
            format!("\"{name}\" comes in a later version; keys that work today: {}", known.join(", "))
        } else {
            format!("unknown key \"{name}\"; {}", suggest(key.get_ref(), known))
        };
        layers.problem(file.source(key.span()), message);
        strange = true;
    }
    strange
}
