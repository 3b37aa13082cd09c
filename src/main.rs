//! The `tenure` program.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tenure::log::chain;

fn main() -> ExitCode {
    let result = match cli::Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => Ok(cli::refuse(&error)),
    };
    tenure::log::flush();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let _unread = writeln!(io::stderr(), "{}", chain(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}
