//! `orbit completions SHELL`: a script that completes this command's words.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{cli::Cli, print};

const EXAMPLES: &str = "\
Examples:
  orbit completions bash > ~/.local/share/bash-completion/completions/orbit
  orbit completions zsh > ~/.zfunc/_orbit
  orbit completions fish > ~/.config/fish/completions/orbit.fish";

/// Arguments of `orbit completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell that is to read the script
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "orbit", &mut script);
    print::text(&String::from_utf8(script)?)
}
