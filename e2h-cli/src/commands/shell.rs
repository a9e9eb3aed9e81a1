//! `e2h completions` and `e2h man`: what a shell and `man` want to know, made from the parser.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use e2h_core::write_atomic;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "e2h", &mut script);
    out(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Writes `e2h.1` and a page for each verb.
pub(crate) fn man(args: &ManArgs) -> Outcome {
    fs::create_dir_all(&args.out).map_err(|error| {
        Failure::usage(format!("cannot create {}: {error}", args.out.display()))
            .hint("give a folder that can be written to")
    })?;
    let mut command = Args::command();
    command.build();
    let mut n = page(&command, &args.out)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        n += page(verb, &args.out)?;
    }
    say(&format!("wrote {n} pages to {}", args.out.display()));
    Ok(())
}

/// Writes the page of one command; returns the number of pages written.
fn page(command: &clap::Command, folder: &Path) -> Outcome<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    if name == "help" || name.ends_with("-help") {
        return Ok(0);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(&name).render(&mut text).map_err(Failure::run)?;
    write_atomic(&folder.join(format!("{name}.1")), &text).map_err(Failure::run)?;
    Ok(1)
}
