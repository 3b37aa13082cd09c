//! Flags over environment over file over defaults: one way to read a setting, and to say what is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::file::File;
use super::problem::{ConfigError, Problem, Source};
use super::settings::Setting;

/// The flags that were given, by name without dashes, and their values.
pub type Flags = BTreeMap<&'static str, String>;

/// Asks the environment for a variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A value, as `tenure config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it is the value of.
    pub key: String,
    /// As it was written.
    pub value: String,
    /// Where it was written.
    pub source: Source,
}

/// Everything that says something about the configuration, and what was read from it so far.
pub(super) struct Layers<'a> {
    pub(super) flags: &'a Flags,
    pub(super) env: Env<'a>,
    pub(super) warden: Option<&'a Path>,
    pub(super) file: &'a File<'a>,
    pub(super) problems: Vec<Problem>,
    pub(super) shown: Vec<Shown>,
}

impl<'a> Layers<'a> {
    /// What a setting says; its default stands in for a value that is wrong, so that the rest is
    /// read too and everything wrong is said at once.
    pub(super) fn read<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.read_or(setting, setting.default, parse)
    }

    /// The same with a default that depends on other settings.
    pub(super) fn read_or<T>(
        &mut self,
        setting: &Setting,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let (text, source) = self.find(setting).unwrap_or((Ok(Cow::Borrowed(default)), Source::Default));
        self.shown.push(Shown {
            key: setting.key.to_owned(),
            value: text.as_deref().unwrap_or_default().to_owned(),
            source: source.clone(),
        });
        match text.and_then(|text| parse(&text)) {
            Ok(value) => value,
            Err(message) => {
                self.problem(source, message);
                match parse(default) {
                    Ok(value) => value,
                    Err(message) => unreachable!("the default of {}: {message}", setting.key),
                }
            }
        }
    }

    /// Where a setting stands.
    pub(super) fn source(&self, setting: &Setting) -> Source {
        self.find(setting).map_or(Source::Default, |(_, source)| source)
    }

    /// Reports what is wrong, and where.
    pub(super) fn problem(&mut self, source: Source, message: impl Into<String>) {
        self.problems.push(Problem { source, message: message.into() });
    }

    /// The text of a setting in the highest layer that has one. An empty variable is like none:
    /// that is how compose files and shells leave one out.
    fn find(&self, setting: &Setting) -> Option<(Result<Cow<'a, str>, String>, Source)> {
        let flag = || {
            let name = setting.flag?;
            let text = self.flags.get(name)?;
            Some((Ok(Cow::Borrowed(text.as_str())), Source::Flag(name)))
        };
        let variable = |name: &&'static str| {
            let text = (self.env)(name).filter(|text| !text.is_empty())?;
            Some((Ok(Cow::Owned(text)), Source::Env(name)))
        };
        let file = || {
            let found = self.file.find(setting.key)?;
            Some((found.text(), self.file.source(found.span())))
        };
        flag().or_else(|| setting.env.iter().find_map(variable)).or_else(file)
    }

    /// `value`, if nothing is wrong.
    pub(super) fn finish<T>(self, value: impl FnOnce(Vec<Shown>) -> T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(value(self.shown)) } else { Err(ConfigError::new(self.problems)) }
    }
}
