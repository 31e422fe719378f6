//! The settings as pages: `.env.example`, and what is in effect.

use std::{collections::BTreeSet, ffi::OsStr, fmt::Write};

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

/// `.env.example` for a command and its subcommands: every setting that has a variable, once, under its heading.
///
/// A setting with a default shows it, a secret is empty, an optional one is commented out.
pub fn env_example(command: &Command) -> String {
    let mut page = String::from(
        "# Every setting that can be given as a variable, with its default. Made from the code; a test holds it.\n",
    );
    let mut seen = BTreeSet::new();
    let mut heading = None;
    for arg in args(command) {
        let Some(name) = arg.get_env().and_then(OsStr::to_str) else { continue };
        if arg.is_hide_set() || !seen.insert(name.to_owned()) {
            continue;
        }
        let title = arg.get_help_heading().unwrap_or("General").to_owned();
        if heading.as_ref() != Some(&title) {
            let _ = write!(page, "\n## {title}\n");
            heading = Some(title);
        }
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            let _ = writeln!(page, "# {}", line.trim_end());
        }
        let choices: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !choices.is_empty() && arg.get_action().takes_values() {
            let _ = writeln!(page, "# One of: {}", choices.join(", "));
        }
        let default = arg.get_default_values().join(OsStr::new(","));
        let comment = if default.is_empty() && !arg.is_hide_env_values_set() { "#" } else { "" };
        let _ = writeln!(page, "{comment}{name}={}", default.to_string_lossy());
    }
    page
}

fn args(command: &Command) -> Vec<&Arg> {
    let below = command.get_subcommands().flat_map(args);
    command.get_arguments().chain(below).collect()
}

/// The settings in effect, one per line as `VARIABLE=value  (where from)`, secrets as `[secret]`.
pub fn effective(command: &Command, matches: &ArgMatches) -> String {
    let mut page = String::new();
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env().and_then(OsStr::to_str) else { continue };
        let id = arg.get_id().as_str();
        let values = matches.get_raw(id).map(|raw| raw.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(","));
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            Some(ValueSource::DefaultValue) => "default",
            Some(_) | None => "not set",
        };
        let value = match values.unwrap_or_default() {
            value if arg.is_hide_env_values_set() && !value.is_empty() => redact_url(&value),
            value => value,
        };
        let _ = writeln!(page, "{name}={value}  ({source})");
    }
    page
}

/// A URL without what is secret in it, or `[secret]` if it is none: `postgres://orbit:[secret]@localhost/orbit`.
pub fn redact_url(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return "[secret]".to_owned();
    };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    match rest.rsplit_once('@') {
        None => format!("{scheme}://{rest}"),
        Some((who, place)) => match who.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:[secret]@{place}"),
            // One part alone is a user of PostgreSQL but a token of NATS: rather hide a name than show a secret.
            None => format!("{scheme}://[secret]@{place}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::*;
    use super::*;

    #[derive(Parser)]
    #[command(name = "sample")]
    struct Sample {
        #[command(flatten)]
        environment: EnvironmentArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        nats: NatsArgs,
        #[command(flatten)]
        http: HttpArgs,
        #[command(flatten)]
        telemetry: TelemetryArgs,
        #[command(flatten)]
        auth: AuthArgs,
        #[command(flatten)]
        keys: KeysArgs,
        #[command(flatten)]
        blobs: BlobArgs,
    }

    #[test]
    fn the_groups_fit_into_one_command() {
        Sample::command().debug_assert();
        let sample = Sample::parse_from(["sample"]);
        assert_eq!(sample.environment.environment, Environment::Development);
        assert_eq!(sample.http.address().to_string(), "127.0.0.1:8000");
        assert_eq!(sample.http.rate_user.to_string(), "600/min");
        assert_eq!(sample.nats.nats_prefix, "orbit");
        assert_eq!(sample.telemetry.log_format, LogFormat::Human);
        assert!(sample.auth.signing_key(Environment::Development).is_err());
        assert!(sample.keys.master_key(Environment::Development).is_err());
        assert_eq!(sample.blobs.blobs, None);
        assert_eq!(sample.database.database_connections, 16);
        assert!(Sample::try_parse_from(["sample", "--nats-prefix", "a.b"]).is_err());
    }

    #[test]
    fn the_example_documents_every_setting_and_shows_no_secret() {
        let command = Sample::command();
        let page = env_example(&command);
        for name in command.get_arguments().filter_map(|arg| arg.get_env()) {
            let name = name.to_str().unwrap();
            let line = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name}="));
            assert_eq!(page.lines().filter(|text| line(text)).count(), 1, "{name} in {page}");
        }
        let begin = "## PostgreSQL\n# The PostgreSQL database, such as postgres://orbit:password@localhost:5432/orbit\nDATABASE_URL=\n";
        assert!(page.contains(begin), "{page}");
        assert!(page.contains("# One of: human, json\nORBIT_LOG_FORMAT=human\n"), "{page}");
        assert!(page.contains("\n#OTEL_EXPORTER_OTLP_ENDPOINT=\n"), "{page}");
        assert!(page.contains("\nORBIT_MASTER_KEY=\n") && page.contains("\nORBIT_RATE_USER=600/min\n"), "{page}");
        assert!(!page.contains('`'), "{page}");
    }

    #[test]
    fn what_is_in_effect_shows_no_secret() {
        let command = Sample::command();
        let url = "postgres://orbit:hunter2@db:5432/orbit?sslpassword=hunter2";
        let key = generate_signing_key();
        let flags = [
            "sample",
            "--database-url",
            url,
            "--signing-key",
            &key,
            "--nats-url",
            "nats://hunter2@n:4222",
            "--port",
            "9",
        ];
        let page = effective(&command, &command.clone().get_matches_from(flags));
        assert!(!page.contains("hunter2") && !page.contains("PRIVATE"), "{page}");
        assert!(page.contains("DATABASE_URL=postgres://orbit:[secret]@db:5432/orbit  (flag)"), "{page}");
        assert!(page.contains("ORBIT_SIGNING_KEY=[secret]  (flag)"), "{page}");
        assert!(page.contains("ORBIT_PORT=9  (flag)"), "{page}");
        assert!(page.contains("ORBIT_LOG=info  (default)"), "{page}");
    }
}
