//! An account: profile, preferences, password. Its e-mail address is unique over all users.

use chrono::{DateTime, Utc};
use orbit_events::{
    UserId, users,
    users::user::{
        Erased, ErasureCancelled, ErasureRequested, Event, PasswordChanged, PreferencesChanged, ProfileChanged,
        Registered,
    },
};
use serde_json::{Map, Value, from_value, json};
use uuid::Uuid;

use super::{AvatarUrl, Email, Locale, Name, PreferencesPatch, TimeZone, WorkingHours, preferences::MAX_BYTES};
use crate::{Aggregate, Claim, Context, Fields, Secret, aggregate::rejections, undo::Reversal};

/// Scope of the claim on an e-mail address.
pub const EMAIL: &str = "users.email";
/// Scope of the claim on a place among the erasures that are due: [`erasure_key`], so that they are found in order of time.
pub const ERASURE_DUE: &str = "users.erasure_due";

/// The aggregate.
#[derive(Debug)]
pub struct User;

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// An account.
    Present(Box<Present>),
    /// Forgotten.
    Erased,
}

/// An account.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// As the user wrote it.
    pub email: String,
    /// Argon2id, PHC string.
    pub password_hash: Secret,
    /// How the user wants to be seen and served.
    pub profile: users::Profile,
    /// The clients' own.
    pub preferences: Map<String, Value>,
    /// When the user is to be forgotten, if they asked for it.
    pub erasure_due_at: Option<DateTime<Utc>>,
}

impl State {
    /// The account, unless it was erased.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(user) => Some(user),
            Self::Absent | Self::Erased => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(user) => Ok(user),
            Self::Erased => Err(Rejection::Erased),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Present(user) = &mut self {
            change(user);
        }
        self
    }
}

/// What can be asked of an account.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Open it.
    Register {
        /// Unique without regard to case.
        email: Email,
        /// Argon2id, PHC string, of the password.
        password_hash: Secret,
        /// The profile to start with.
        profile: Box<Profile>,
    },
    /// Change some of profile and preferences; what `PATCH /auth/me` becomes.
    Edit(Box<Edit>),
    /// Make profile and preferences what they were.
    SetBack(Box<Earlier>),
    /// Take another password. The caller has checked the present one.
    ChangePassword {
        /// Argon2id, PHC string, of the new password.
        password_hash: Secret,
    },
    /// Forget the user when the time of grace is over. Asked for again, the first time stays.
    RequestErasure {
        /// When the grace is over.
        due_at: DateTime<Utc>,
    },
    /// Stay after all.
    CancelErasure,
    /// Forget the user, whose time of grace is over.
    Erase,
}

/// Profile and preferences as they were.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// How the user wanted to be seen and served.
    pub profile: users::Profile,
    /// The clients' own.
    pub preferences: Map<String, Value>,
}

impl Earlier {
    /// Profile and preferences among these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        let profile = users::Profile {
            name: from_value(field("name"))?,
            avatar_url: from_value(field("avatar_url"))?,
            time_zone: from_value(field("time_zone"))?,
            locale: from_value(field("locale"))?,
            working_hours: from_value(field("working_hours"))?,
        };
        Ok(Self { profile, preferences: from_value(field("preferences"))? })
    }
}

/// How a user wants to be seen and served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What to call the user.
    pub name: Name,
    /// A picture.
    pub avatar_url: Option<AvatarUrl>,
    /// Where the user's days begin and end.
    pub time_zone: TimeZone,
    /// Language and region.
    pub locale: Locale,
    /// When the user works.
    pub working_hours: WorkingHours,
}

impl Profile {
    /// The profile of somebody who told only a name: UTC, English, no working hours.
    pub fn new(name: Name) -> Self {
        let (time_zone, locale, working_hours) = Default::default();
        Self { name, avatar_url: None, time_zone, locale, working_hours }
    }
}

impl From<Profile> for users::Profile {
    fn from(profile: Profile) -> Self {
        Self {
            name: profile.name.into(),
            avatar_url: profile.avatar_url.map(String::from),
            time_zone: profile.time_zone.into(),
            locale: profile.locale.into(),
            working_hours: profile.working_hours.into(),
        }
    }
}

/// What is to change of an account. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edit {
    /// What to call the user.
    pub name: Option<Name>,
    /// A picture.
    pub avatar_url: Option<Option<AvatarUrl>>,
    /// Where the user's days begin and end.
    pub time_zone: Option<TimeZone>,
    /// Language and region.
    pub locale: Option<Locale>,
    /// When the user works: all of it.
    pub working_hours: Option<WorkingHours>,
    /// A merge patch over the preferences.
    pub preferences: Option<PreferencesPatch>,
}

rejections! {
    /// Why an account may say no.
    NotFound = "user_not_found", NotFound, "there is no such user";
    AlreadyRegistered = "already_registered", Conflict, "this user is registered already";
    Erased = "user_erased", Gone, "this user was erased";
    ErasureNotDue = "erasure_not_due", Conflict, "the user did not ask to be forgotten, or has time left";
    PreferencesTooLong = "preferences_too_long", Invalid on "preferences",
        "the preferences would have more than {MAX_BYTES} bytes as JSON";
}

impl Aggregate for User {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Register { email, password_hash, profile } => register(state, email, &password_hash, *profile),
            Command::Edit(edit) => edition(state.get()?, *edit),
            Command::SetBack(earlier) => Ok(set_back(state.get()?, *earlier)),
            Command::ChangePassword { password_hash } => {
                let same = state.get()?.password_hash == password_hash;
                let changed = PasswordChanged { password_hash: password_hash.expose().to_owned() };
                Ok(if same { vec![] } else { vec![changed.into()] })
            }
            Command::RequestErasure { due_at } => Ok(match state.get()?.erasure_due_at {
                None => vec![ErasureRequested { due_at }.into()],
                Some(_) => vec![],
            }),
            Command::CancelErasure => Ok(match state.get()?.erasure_due_at {
                Some(_) => vec![ErasureCancelled {}.into()],
                None => vec![],
            }),
            Command::Erase => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(user) if user.erasure_due_at.is_some_and(|due_at| due_at <= context.now) => {
                    Ok(vec![Erased {}.into()])
                }
                State::Present(_) => Err(Rejection::ErasureNotDue),
                State::Erased => Ok(vec![]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Registered(registered) => State::Present(Box::new(Present {
                email: registered.email.clone(),
                password_hash: Secret::new(&registered.password_hash),
                profile: registered.profile.clone(),
                preferences: Map::new(),
                erasure_due_at: None,
            })),
            Event::ProfileChanged(changed) => state.with(|user| user.profile.clone_from(&changed.profile)),
            Event::PreferencesChanged(changed) => {
                let preferences = changed.preferences.as_object().cloned().unwrap_or_default();
                state.with(|user| user.preferences = preferences)
            }
            Event::PasswordChanged(changed) => {
                state.with(|user| user.password_hash = Secret::new(&changed.password_hash))
            }
            Event::ErasureRequested(requested) => state.with(|user| user.erasure_due_at = Some(requested.due_at)),
            Event::ErasureCancelled(ErasureCancelled {}) => state.with(|user| user.erasure_due_at = None),
            Event::Erased(Erased {}) => State::Erased,
        }
    }

    fn claims(state: &State, id: Uuid, _: UserId) -> Vec<Claim> {
        let Some(user) = state.present() else { return vec![] };
        let due = user.erasure_due_at.map(|due_at| Claim::ordered(ERASURE_DUE, &[&erasure_key(due_at), id.as_bytes()]));
        [Some(folded_claim(&user.email.to_lowercase())), due].into_iter().flatten().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { email, profile, preferences, erasure_due_at, .. }) = state.present() else {
            return Fields::new();
        };
        let users::Profile { name, avatar_url, time_zone, locale, working_hours } = profile;
        Fields::from([
            ("email", json!(email)),
            ("name", json!(name)),
            ("avatar_url", json!(avatar_url)),
            ("time_zone", json!(time_zone)),
            ("locale", json!(locale)),
            ("working_hours", json!(working_hours)),
            ("preferences", json!(preferences)),
            ("erasure_due_at", json!(erasure_due_at)),
        ])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::ProfileChanged(_) | Event::PreferencesChanged(_) => Reversal::ByFacts,
            Event::Registered(_) => Reversal::Never("an account ends only by being erased"),
            Event::PasswordChanged(_) => Reversal::Never("an earlier password never becomes good again"),
            Event::ErasureRequested(_) => Reversal::Never("a wish to be erased is taken back by cancelling it"),
            Event::ErasureCancelled(_) => {
                Reversal::Never("the wish to be erased is to be said again, with the password")
            }
            Event::Erased(_) => Reversal::Never("what was erased cannot be read any more"),
        }
    }
}

/// The claim on an address, by which an account is found.
pub fn email_claim(email: &Email) -> Claim {
    folded_claim(&email.folded())
}

/// A moment as the beginning of a key in [`ERASURE_DUE`]: earlier moments sort before later ones.
pub fn erasure_key(at: DateTime<Utc>) -> [u8; 8] {
    // Before 1970 nobody was here; whatever claims so is due.
    u64::try_from(at.timestamp_micros()).unwrap_or(0).to_be_bytes()
}

fn folded_claim(folded: &str) -> Claim {
    Claim::hashed(EMAIL, &[folded.as_bytes()])
}

fn register(state: &State, email: Email, password_hash: &Secret, profile: Profile) -> Result<Vec<Event>, Rejection> {
    let registered =
        Registered { email: email.into(), password_hash: password_hash.expose().to_owned(), profile: profile.into() };
    match state {
        State::Absent => Ok(vec![registered.into()]),
        State::Present(_) => Err(Rejection::AlreadyRegistered),
        State::Erased => Err(Rejection::Erased),
    }
}

fn edition(user: &Present, edit: Edit) -> Result<Vec<Event>, Rejection> {
    let mut facts = vec![];
    let mut profile = user.profile.clone();
    if let Some(name) = edit.name {
        profile.name = name.into();
    }
    if let Some(avatar_url) = edit.avatar_url {
        profile.avatar_url = avatar_url.map(String::from);
    }
    if let Some(time_zone) = edit.time_zone {
        profile.time_zone = time_zone.into();
    }
    if let Some(locale) = edit.locale {
        profile.locale = locale.into();
    }
    if let Some(working_hours) = edit.working_hours {
        profile.working_hours = working_hours.into();
    }
    if profile != user.profile {
        facts.push(ProfileChanged { profile }.into());
    }
    if let Some(patch) = edit.preferences {
        let preferences = patch.apply(&user.preferences).ok_or(Rejection::PreferencesTooLong)?;
        if preferences != user.preferences {
            facts.push(PreferencesChanged { preferences: Value::Object(preferences) }.into());
        }
    }
    Ok(facts)
}

fn set_back(user: &Present, Earlier { profile, preferences }: Earlier) -> Vec<Event> {
    let seen = (user.profile != profile).then(|| ProfileChanged { profile }.into());
    let preferred = (user.preferences != preferences)
        .then(|| PreferencesChanged { preferences: Value::Object(preferences) }.into());
    seen.into_iter().chain(preferred).collect()
}

#[cfg(test)]
mod tests;
