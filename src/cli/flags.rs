//! The flags that every command which reads the configuration takes: one for each setting that has one.

use std::iter;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use tenure::config::Flags;
use tenure::config::settings::{self, Setting};

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(pub(crate) Flags);

fn arg(setting: &'static Setting) -> Option<Arg> {
    let flag = setting.flag?;
    let arg =
        Arg::new(flag).long(flag).value_name(setting.value).help_heading("Settings").help(help(setting));
    Some(match flag {
        "config" => arg.short('c'),
        "path" => arg.visible_alias("data"),
        _ => arg,
    })
}

fn help(setting: &Setting) -> String {
    format!("{} [env: {}]{}", setting.help, setting.env.join(", "), default(setting))
}

/// What is said of settings that have no flag.
fn rest() -> String {
    let said = |setting: &&Setting| {
        let Setting { key, env, help, .. } = setting;
        format!("  {}\n          {help} [key: {key}]{}", env.join(", "), default(setting))
    };
    let title = "Settings of the environment, and of the file, alone:".to_owned();
    let rest = settings::ALL.iter().filter(|setting| setting.flag.is_none()).map(said);
    iter::once(title).chain(rest).collect::<Vec<_>>().join("\n")
}

fn default(setting: &Setting) -> String {
    match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(settings::ALL.into_iter().filter_map(arg)).after_help(rest())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for flag in settings::ALL.iter().filter_map(|setting| setting.flag) {
            if let Some(text) = matches.get_one::<String>(flag) {
                self.0.insert(flag, text.clone());
            }
        }
        Ok(())
    }
}
