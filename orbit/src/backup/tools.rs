//! `pg_dump` and `pg_restore`: found, told where the database is without telling anybody else, and waited for.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    str::FromStr,
};

use anyhow::{Context, bail};
use orbit_platform::config::DatabaseArgs;
use orbit_runtime::{Home, installed_program};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::{io::AsyncReadExt, process::Command};

/// How much of what a program says is kept.
const SAID: u64 = 64_000;

/// One of them, with its major version.
#[derive(Clone, Debug)]
pub struct Tool {
    name: &'static str,
    program: PathBuf,
    /// Its major version.
    pub version: u32,
}

impl Tool {
    /// The one that this home has installed, or else that of the `PATH`; at least of this major version.
    pub async fn find(home: &Home, name: &'static str, at_least: u32) -> anyhow::Result<Self> {
        let mut newest = None;
        for program in installed_program(home, name).into_iter().chain([PathBuf::from(name)]) {
            let Some(version) = version_of(&program).await else { continue };
            if version >= at_least {
                return Ok(Self { name, program, version });
            }
            newest = newest.max(Some(version));
        }
        let remedy = format!(
            "install PostgreSQL's client programs {at_least} or newer (Debian, Ubuntu: apt install postgresql-client), or start `orbit up` once, which installs its own"
        );
        match newest {
            None => bail!("{name} was not found: {remedy}"),
            Some(version) => bail!("{name} here is version {version}, which is older than {at_least}: {remedy}"),
        }
    }

    /// Runs it to its end. If the future is dropped, the program is killed.
    pub async fn run(&self, login: &Login, arguments: Vec<OsString>) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        login.put_on(&mut command);
        // A group of its own: Ctrl-C in the terminal is for Orbit, which then ends this.
        command.args(arguments).current_dir("/").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let mut said = Vec::new();
        if let Some(mut stderr) = child.stderr.take() {
            // What it says tells why it fails; that it cannot be read is no failure. What is too much goes unread, but
            // goes: a full pipe would stop the program.
            let _ = (&mut stderr).take(SAID).read_to_end(&mut said).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        let status = child.wait().await.with_context(|| format!("cannot wait for {}", self.name))?;
        if status.success() {
            return Ok(());
        }
        bail!("{} failed: {}", self.name, reason(&String::from_utf8_lossy(&said)))
    }
}

/// The line of what a program said that tells a person most.
fn reason(said: &str) -> String {
    let line =
        said.lines().find(|line| line.contains("error:")).or(said.lines().last()).unwrap_or("it does not say why");
    line.split_once("error:").map_or(line, |(_, text)| text).trim().to_owned()
}

async fn version_of(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `pg_dump (PostgreSQL) 18.4 (Debian …)`
fn parse_version(said: &str) -> Option<u32> {
    let number = said.split_once(") ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Where the database is and who asks, as variables of the program: a command line is there for everybody to read.
#[derive(Clone)]
pub struct Login {
    variables: Vec<(&'static str, String)>,
}

impl Login {
    /// What `DATABASE_URL` says.
    pub fn of(database: &DatabaseArgs) -> anyhow::Result<Self> {
        let url = database.database_url.expose().trim();
        let options = PgConnectOptions::from_str(url).context("DATABASE_URL is not an address of PostgreSQL")?;
        let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |at| at.display().to_string());
        let mut variables = vec![
            ("PGHOST", host.trim_matches(['[', ']']).to_owned()),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", options.get_database().unwrap_or(options.get_username()).to_owned()),
        ];
        let whole = options.to_url_lossy();
        if let Some(password) = whole.password() {
            variables.push(("PGPASSWORD", decode(password)));
        }
        for (name, value) in whole.query_pairs() {
            let variable = match &*name {
                "sslmode" => "PGSSLMODE",
                "sslrootcert" => "PGSSLROOTCERT",
                "sslcert" => "PGSSLCERT",
                "sslkey" => "PGSSLKEY",
                _ => continue,
            };
            variables.push((variable, value.into_owned()));
        }
        Ok(Self { variables })
    }

    fn put_on(&self, command: &mut Command) {
        // Settings of the caller's shell that would make it go elsewhere, or say things in another language.
        for name in ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS", "PGDATABASE", "PGSSLMODE"] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("PGAPPNAME", "orbit").envs(self.variables.iter().cloned());
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// `%2F` is a slash. What is no such sign stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let sign = tail.get(..2).filter(|_| *first == b'%');
        let decoded = sign.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use orbit_platform::config::Secret;

    use super::*;

    fn variables(url: &str) -> Vec<(&'static str, String)> {
        let database =
            DatabaseArgs { database_url: Secret::new(url), database_connections: 1, database_acquire_timeout_ms: 1 };
        Login::of(&database).unwrap().variables
    }

    #[test]
    fn an_address_becomes_variables_with_the_password_as_it_is() {
        let variables = variables("postgres://orbit:a%2Fb%25%40%C3%A9@[::1]:6543/o?sslmode=require&options=-c%20a=b");
        let get = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(get("PGPASSWORD"), Some("a/b%@é"));
        assert_eq!((get("PGHOST"), get("PGPORT")), (Some("::1"), Some("6543")));
        assert_eq!((get("PGUSER"), get("PGDATABASE")), (Some("orbit"), Some("o")));
        assert_eq!(get("PGSSLMODE"), Some("require"));
    }

    #[test]
    fn versions_and_reasons_are_found_in_what_the_programs_say() {
        assert_eq!(parse_version("pg_dump (PostgreSQL) 18.4 (Debian 18.4-1)\n"), Some(18));
        assert_eq!(parse_version("pg_restore (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(parse_version("nonsense"), None);
        let said = "pg_dump: warning: a\npg_dump: error: query failed: ERROR:  permission denied\npg_dump: detail: b\n";
        assert_eq!(reason(said), "query failed: ERROR:  permission denied");
        assert_eq!(reason(""), "it does not say why");
    }
}
