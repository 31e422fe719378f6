//! `orbit replay`: the log read aloud, in its order and decrypted, for people or for programs. Never a secret: a terminal's
//! scrollback and a pipe's end are no place for password hashes.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::PossibleValuesParser;
use orbit_domain::users::{Email, user};
use orbit_event_store::{Log, MasterKey, Stored, Vault, Which};
use orbit_events::{Actor, Event, Outward, UserId};
use orbit_platform::{
    clock::Clock,
    config::{DatabaseArgs, EnvironmentArgs, KeysArgs},
    postgres,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    place::{HomeArgs, beside},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit replay --user ada@example.org                  everything that one user did
  orbit replay --entity 0190a5c4-… --as-json           all that happened to one task, as JSON lines
  orbit replay --type tasks.completed --from 2026-11-01T00:00:00Z
  orbit replay --from 4711 | head

They look at the database of DATABASE_URL, or at that of `orbit up`. Both ends are included.";

/// Facts read at once: what it holds in memory, however long the log is.
const PAGE: i64 = 500;

/// Arguments of `orbit replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only facts of this user: an id or an e-mail address
    #[arg(long, value_name = "ID|EMAIL")]
    user: Option<String>,
    /// Only what happened to this thing (a task, a list, a login …)
    #[arg(long, value_name = "ID")]
    entity: Option<Uuid>,
    /// Only facts of this category
    #[arg(long, value_parser = PossibleValuesParser::new(Event::CATEGORIES.iter().copied()))]
    category: Option<String>,
    /// Only facts of this type, such as tasks.created
    #[arg(long = "type", value_name = "TYPE", value_parser = wire_type)]
    wire_type: Option<String>,
    /// Only what this kind of actor did
    #[arg(long, value_parser = ["user", "agent", "system", "integration"])]
    actor: Option<String>,
    /// From this position or time on
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    from: Option<Moment>,
    /// Up to this position or time
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    to: Option<Moment>,
    /// One JSON object per line instead of a line for people
    #[arg(long)]
    as_json: bool,
    #[command(flatten)]
    place: Place,
}

/// Where the log is.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// An end of what is replayed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Position(i64),
    Time(DateTime<Utc>),
}

/// Prints the facts that are asked for.
pub async fn run(mut args: Args) -> anyhow::Result<()> {
    let (log, vault) = open(&mut args.place).await?;
    let user = match &args.user {
        Some(user) => Some(find_user(&log, &vault, user).await?),
        None => None,
    };
    let (mut after, since) = match args.from {
        Some(Moment::Position(position)) => (position.saturating_sub(1), None),
        Some(Moment::Time(at)) => (0, Some(at)),
        None => (0, None),
    };
    // Facts that come meanwhile are another replay's: this one ends.
    let head = log.head().await?.position;
    let (upto, until) = match args.to {
        Some(Moment::Position(position)) => (position.min(head), None),
        Some(Moment::Time(at)) => (head, Some(at)),
        None => (head, None),
    };
    let Args { entity, category, wire_type, actor, as_json, .. } = args;
    let which = Which { user, entity, category, wire_type, actor, since, until };
    let mut told = 0;
    loop {
        let page = log.replay(&which, after, upto, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.envelope.position;
        told += page.len();
        if !print::page(&lines(page, &vault, as_json).await?)? {
            return Ok(());
        }
    }
    if told == 0 && !as_json {
        return print::line("Nothing in the log fits.");
    }
    Ok(())
}

async fn open(place: &mut Place) -> anyhow::Result<(Log, Vault)> {
    let environment = place.environment.environment;
    beside(&place.home.locate()?, environment, &mut place.database, &mut place.keys)?;
    let master_key = MasterKey::new(*place.keys.master_key(environment)?.expose());
    let role = orbit_query_api::app::ROLE;
    let pool = postgres::connect_as(&place.database, "orbit replay", None, role).await?;
    let vault = Vault::new(pool.clone(), &master_key, Clock::system());
    vault.require_fit().await?;
    Ok((Log::new(pool), vault))
}

/// The user whom an id or an address names.
async fn find_user(log: &Log, vault: &Vault, text: &str) -> anyhow::Result<UserId> {
    if let Ok(id) = text.parse::<UserId>() {
        // The account's stream has the user's own id.
        if log.stream(id.0, 0, 1).await?.is_empty() {
            bail!(
                "no user has the id {id}: see whose facts there are with `orbit replay --type users.registered --as-json`"
            );
        }
        return Ok(id);
    }
    if !text.contains('@') {
        bail!("--user wants an id or an e-mail address, and {text:?} is neither");
    }
    let email = Email::parse(text).ok().with_context(|| format!("{text:?} is no e-mail address"))?;
    match log.holder(vault, &user::email_claim(&email)).await? {
        Some(id) => Ok(UserId(id)),
        None => {
            bail!("no account has the address {text}: one that was erased has none any more, and is found by its id")
        }
    }
}

/// A page of facts as lines.
async fn lines(page: Vec<Stored>, vault: &Vault, as_json: bool) -> anyhow::Result<String> {
    let users: Vec<UserId> = page.iter().map(|stored| stored.envelope.user_id).collect();
    let facts = Stored::tell_all(page, vault).await?;
    let mut lines = String::with_capacity(facts.len() * 256);
    for (fact, user) in facts.into_iter().zip(users) {
        if as_json {
            let mut fact = serde_json::to_value(fact)?;
            fact["user_id"] = json!(user);
            writeln!(lines, "{fact}")?;
        } else {
            writeln!(lines, "{}", line(&fact))?;
        }
    }
    Ok(lines)
}

/// A fact for people: position, time, actor, type, what it happened to, what it says.
fn line(fact: &Outward) -> String {
    let at = fact.recorded_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let actor = match fact.actor {
        Actor::User => "user",
        Actor::Agent { .. } => "agent",
        Actor::System => "system",
        Actor::Integration { .. } => "integration",
    };
    let says = match (&fact.data, fact.unreadable) {
        (_, Some(why)) => format!("(unreadable: {why})"),
        (None, None) => "(forgotten)".to_owned(),
        (Some(data), None) => data.to_string(),
    };
    let Outward { position, wire_type, entity, .. } = fact;
    let line = format!("{position:>8}  {at}  {actor:<11}  {wire_type:<28}  {} {}  {says}", entity.kind, entity.id);
    harmless(&line)
}

/// What users wrote must not speak to the terminal: JSON escapes some control characters, and not those that turn texts
/// around or begin a command.
fn harmless(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) {
            harmless.extend(c.escape_unicode());
        } else {
            harmless.push(c);
        }
    }
    harmless
}

fn moment(text: &str) -> Result<Moment, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Moment::Position).map_err(|_| "no position is that large".to_owned());
    }
    let time = DateTime::parse_from_rfc3339(text).map(|at| Moment::Time(at.to_utc()));
    time.map_err(|_| "a position such as 4711 or a time such as 2026-11-22T20:28:00Z is expected".to_owned())
}

/// A newer Orbit may have written types that this one does not know: any of the right shape can be asked for.
fn wire_type(text: &str) -> Result<String, String> {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match text.split_once('.') {
        Some((category, fact)) if word(category) && word(fact) => Ok(text.to_owned()),
        _ => Err("a type such as tasks.created is expected: docs/EVENTS.md lists them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use orbit_events::{EntityRef, EventId};
    use serde_json::Value;

    use super::*;

    fn fact(data: Option<Value>, unreadable: Option<&'static str>) -> Outward {
        Outward {
            id: EventId(Uuid::nil()),
            wire_type: "tasks.retitled".to_owned(),
            version: 1,
            position: 7,
            recorded_at: DateTime::UNIX_EPOCH,
            actor: Actor::System,
            entity: EntityRef { kind: "task".to_owned(), id: Uuid::nil() },
            correlation_id: Uuid::nil(),
            causation_id: None,
            data,
            unreadable,
        }
    }

    #[test]
    fn a_fact_is_one_line_whatever_its_user_wrote() {
        let told = line(&fact(Some(json!({"title": "a\nb\u{9b}31m\u{202e}c"})), None));
        let start = "       7  1970-01-01T00:00:00.000Z  system       tasks.retitled                task ";
        assert!(told.starts_with(start), "{told}");
        assert!(told.ends_with(r#"{"title":"a\nb\u{9b}31m\u{202e}c"}"#), "{told}");
        assert!(line(&fact(None, None)).ends_with("(forgotten)"));
        assert!(line(&fact(None, Some("unknown_type"))).ends_with("(unreadable: unknown_type)"));
    }

    #[test]
    fn an_end_is_a_position_or_a_time() {
        assert!(matches!(moment("4711"), Ok(Moment::Position(4711))));
        assert!(matches!(moment("1970-01-01T01:00:00+01:00"), Ok(Moment::Time(at)) if at == DateTime::UNIX_EPOCH));
        for bad in ["", "-1", "yesterday", "99999999999999999999", "2026-11-22"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
