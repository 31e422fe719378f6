//! `orbit config` and `orbit env-example`: the settings as pages, made from the definitions of the flags.

use clap::{ArgMatches, Command, CommandFactory, ValueEnum};
use orbit_platform::config::{effective, env_example};

use crate::{cli::Cli, print};

const EXAMPLES: &str = "\
Examples:
  orbit config                   what `orbit up` would use in this shell
  orbit config query-api         what `orbit serve query-api` would use";
const EXAMPLE_EXAMPLES: &str = "\
Example:
  orbit env-example > .env.example";

/// What only `docker-compose.yml` reads; the programs never see these names.
const COMPOSE: &str = "
## Docker Compose
# The password of PostgreSQL's user orbit. Required by docker-compose.yml: openssl rand -hex 24
POSTGRES_PASSWORD=
# The password of the NATS user orbit. Required by docker-compose.yml: openssl rand -hex 24
NATS_PASSWORD=
# Where docker-compose.yml publishes Orbit on this machine, as address:port
ORBIT_PUBLISH=127.0.0.1:8000
";

/// Arguments of `orbit config`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Whose settings
    #[arg(value_enum, default_value = "up")]
    process: Process,
}

/// Arguments of `orbit env-example`: none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE_EXAMPLES)]
pub struct ExampleArgs {}

/// What has settings.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Process {
    /// `orbit up`
    Up,
    /// `orbit serve command-api`
    CommandApi,
    /// `orbit serve projector`
    Projector,
    /// `orbit serve query-api`
    QueryApi,
    /// `orbit serve reactor`
    Reactor,
}

impl Process {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Up => &["up"],
            Self::CommandApi => &["serve", "command-api"],
            Self::Projector => &["serve", "projector"],
            Self::QueryApi => &["serve", "query-api"],
            Self::Reactor => &["serve", "reactor"],
        }
    }
}

/// Prints the settings in effect.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let words = args.process.words();
    let root = Cli::command();
    let matches = root.clone().try_get_matches_from(["orbit"].iter().chain(words))?;
    let (mut command, mut found): (&Command, &ArgMatches) = (&root, &matches);
    for word in words {
        command = command.find_subcommand(word).unwrap_or(command);
        found = found.subcommand_matches(word).unwrap_or(found);
    }
    print::text(&effective(command, found))
}

/// Prints `.env.example`.
pub fn print_example() -> anyhow::Result<()> {
    print::text(&example())
}

/// `.env.example` as it should be.
pub fn example() -> String {
    format!("{}{COMPOSE}", env_example(&Cli::command()))
}

#[cfg(test)]
mod tests {
    use super::example;

    #[test]
    fn the_example_in_the_repository_is_the_one_that_the_settings_make() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == example(), "make it anew: cargo orbit env-example > .env.example");
    }
}
