//! A connection to an account elsewhere: an IMAP, SMTP or `CalDAV` server, or an n8n instance.

use orbit_events::{
    UserId,
    users::connection::{
        Connected, Disconnected, Event, Kind as Peer, Settings, SettingsChanged, SyncFailed, SyncProgressed,
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

mod settings;

pub use settings::{Account, Edit, KINDS, Mail, MailEdit, SECURITIES, parse_kind, parse_security};

/// Scope of the claim on a connection's id; scanned by user, it gives the connections.
pub const USER: &str = "connections.user";

/// The aggregate.
#[derive(Debug)]
pub struct Connection;

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Connected.
    Connected(Box<Present>),
    /// Disconnected, for good.
    Disconnected,
}

/// An account that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What is at the other end.
    pub kind: Peer,
    /// How to reach it.
    pub settings: Settings,
    /// How far the last synchronisation came.
    pub cursor: Option<String>,
    /// Code and detail of the failure since then.
    pub failure: Option<(String, String)>,
}

impl State {
    /// The account, while it is connected.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Connected(connection) => Some(connection),
            Self::Absent | Self::Disconnected => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Connected(connection) => Ok(connection),
            Self::Disconnected => Err(Rejection::Disconnected),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Connected(connection) = &mut self {
            change(connection);
        }
        self
    }
}

/// What can be asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Connect it.
    Connect(Box<Account>),
    /// Change some of its settings.
    ChangeSettings(Box<Edit>),
    /// A synchronisation got this far.
    ProgressSync {
        /// The other side's marker of how far.
        cursor: String,
        /// How many items came in with this step.
        items: u64,
    },
    /// A synchronisation failed.
    FailSync {
        /// A stable code.
        code: String,
        /// One sentence for the user.
        detail: String,
    },
    /// Disconnect it.
    Disconnect,
}

rejections! {
    /// Why a connection may say no.
    NotFound = "connection_not_found", NotFound, "there is no such connection";
    Exists = "connection_exists", Conflict, "another connection with this id exists already";
    Disconnected = "connection_disconnected", Gone, "the connection was disconnected";
    NoHost = "invalid_host", Invalid on "endpoint", "must be a host name like mail.example.org";
    NoUrl = "invalid_url", Invalid on "endpoint", "must be an address like https://cloud.example.org/dav";
    SecretOfAnother = "secret_required", Invalid on "secret",
        "must be given again where the endpoint changes: no server is shown what was given for another";
}

impl Aggregate for Connection {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Connect(account) => connect(state, account.into_fact()),
            Command::ChangeSettings(edit) => {
                let connection = state.get()?;
                let settings = edit.apply(connection.kind, connection.settings.clone())?;
                let same = settings == connection.settings;
                Ok(if same { vec![] } else { vec![SettingsChanged { settings }.into()] })
            }
            Command::ProgressSync { cursor, items } => {
                let connection = state.get()?;
                let so_already = connection.failure.is_none() && connection.cursor.as_ref() == Some(&cursor);
                Ok(if so_already { vec![] } else { vec![SyncProgressed { cursor, items }.into()] })
            }
            Command::FailSync { code, detail } => {
                let so_already =
                    state.get()?.failure.as_ref().is_some_and(|known| *known == (code.clone(), detail.clone()));
                Ok(if so_already { vec![] } else { vec![SyncFailed { code, detail }.into()] })
            }
            Command::Disconnect => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Connected(_) => Ok(vec![Disconnected {}.into()]),
                State::Disconnected => Ok(vec![]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Connected(Connected { kind, settings }) => State::Connected(Box::new(Present {
                kind: *kind,
                settings: settings.clone(),
                cursor: None,
                failure: None,
            })),
            Event::SettingsChanged(SettingsChanged { settings }) => {
                state.with(|connection| connection.settings.clone_from(settings))
            }
            Event::SyncProgressed(SyncProgressed { cursor, items: _ }) => state.with(|connection| {
                connection.cursor = Some(cursor.clone());
                connection.failure = None;
            }),
            Event::SyncFailed(SyncFailed { code, detail }) => {
                state.with(|connection| connection.failure = Some((code.clone(), detail.clone())))
            }
            Event::Disconnected(Disconnected {}) => State::Disconnected,
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Present| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.present().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { kind, settings, cursor, failure }) = state.present() else { return Fields::new() };
        let Settings { name, endpoint, port, username, secret, .. } = settings;
        let failure = failure.as_ref().map(|(code, detail)| json!({ "code": code, "detail": detail }));
        Fields::from([
            ("kind", json!(kind)),
            ("name", json!(name)),
            ("endpoint", json!(endpoint)),
            ("port", json!(port)),
            ("username", json!(username)),
            ("has_secret", json!(secret.is_some())),
            ("security", json!(settings.security)),
            ("address", json!(settings.address)),
            ("display_name", json!(settings.display_name)),
            ("imap_connection_id", json!(settings.imap_connection_id)),
            ("saves_sent", json!(settings.saves_sent)),
            ("cursor", json!(cursor)),
            ("failure", json!(failure)),
        ])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            // Settings say which server is shown which secret: mixed with later ones they would show it to another.
            Event::Connected(_) => Reversal::Never("an account was connected; disconnect it"),
            Event::SettingsChanged(_) => Reversal::Never("the server that was named may have been shown the secret"),
            Event::SyncProgressed(_) => Reversal::Never("what came in from elsewhere has come in"),
            Event::SyncFailed(_) => Reversal::Never("what failed elsewhere has failed"),
            Event::Disconnected(_) => Reversal::Never("an account that was disconnected has to be connected again"),
        }
    }
}

fn connect(state: &State, connected: Connected) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent => Ok(vec![connected.into()]),
        State::Connected(known) if known.kind == connected.kind && known.settings == connected.settings => Ok(vec![]),
        State::Connected(_) => Err(Rejection::Exists),
        State::Disconnected => Err(Rejection::Disconnected),
    }
}

#[cfg(test)]
mod tests;
