//! The `tenure` program.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tenure::log::chain;

fn main() -> ExitCode {
    let result = cli::Cli::parse().run();
    tenure::log::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _unread = writeln!(io::stderr(), "{}", chain(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}
