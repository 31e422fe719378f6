//! What somebody writes: bodies of drafts and of messages to send, read by the same code.

use orbit_domain::{
    emails::{AttachmentIds, Body, Compose, Recipients, Subject},
    users::Email,
};
use orbit_events::{AttachmentId, ConnectionId, EmailId};
use orbit_platform::http::{
    extract::{Faults, Field, Unknown},
    openapi::parsed,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};
use serde_json::Value;
use utoipa::ToSchema;

use super::views::Mailbox;
use crate::routes::read::{self, at_most, text};

/// Most entries of a list of addresses, doubles included.
pub const MAX_ENTRIES: usize = 500;

/// An address as it is written: as a text, or with a name beside it.
#[derive(Clone, Debug)]
pub enum AddressBody {
    /// `"ada@example.org"`
    Bare(String),
    /// `{"email": "ada@example.org", "name": "Ada"}`
    Named(NamedAddress),
}

/// An address with a name beside it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NamedAddress {
    #[serde(default)]
    email: Field<String>,
    #[serde(default)]
    name: Field<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for AddressBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(email) => Ok(Self::Bare(email)),
            // Reading it never fails, see `Field`.
            value @ Value::Object(_) => serde_json::from_value(value).map(Self::Named).map_err(D::Error::custom),
            _ => {
                Err(D::Error::invalid_type(Unexpected::Other("value"), &"an address, or an object with email and name"))
            }
        }
    }
}

/// Several addresses.
pub type AddressesBody = Field<Vec<Field<AddressBody>>>;

/// A message, before anybody decides whether it is sent.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "to": [{"email": "grace@example.org", "name": "Grace"}], "subject": "Tickets to Vienna", "body": "Shall we?"
}"#)))]
pub struct ComposeEmail {
    /// Whom it is for, at most 50: addresses, or objects with `email` and `name`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    pub to: AddressesBody,
    /// Who gets a copy, at most 50.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    pub cc: AddressesBody,
    /// Who gets a copy that the others do not know of, at most 50.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    pub bcc: AddressesBody,
    /// One line of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500, example = "Tickets to Vienna")]
    pub subject: Field<String>,
    /// Plain text of at most 100,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100_000)]
    pub body: Field<String>,
    /// Files that were uploaded for it, at most 10.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 10)]
    pub attachments: Field<Vec<Field<String>>>,
    /// The e-mail that it answers.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub reply_to_email_id: Field<String>,
    /// The account through which it is to be sent; the only one there is, if absent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub connection_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl ComposeEmail {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Compose> {
        faults.unknown(self.unknown);
        let to = written(faults, "to", self.to);
        let cc = written(faults, "cc", self.cc);
        let bcc = written(faults, "bcc", self.bcc);
        let subject = text_or_none(faults, "subject", self.subject, Subject::parse);
        let body = text_or_none(faults, "body", self.body, Body::parse);
        let attachments = faults.optional("attachments", self.attachments, at_most(MAX_ENTRIES)).unwrap_or_default();
        let attachments = files(faults, attachments);
        let reply_to_email_id: Option<EmailId> = faults.optional("reply_to_email_id", self.reply_to_email_id, read::id);
        let connection_id: Option<ConnectionId> = faults.optional("connection_id", self.connection_id, read::id);
        Some(Compose {
            connection_id,
            reply_to_email_id,
            to: to?,
            cc: cc?,
            bcc: bcc?,
            subject: subject?,
            body: body?,
            attachments: attachments?,
        })
    }
}

/// A text that may be left out, which is the same as an empty one. `None` only if a fault was noted.
fn text_or_none<T>(
    faults: &mut Faults,
    name: &str,
    field: Field<String>,
    parse: fn(&str) -> Result<T, orbit_domain::Invalid>,
) -> Option<T> {
    let field = match field {
        Field::Absent | Field::Null => Field::Value(String::new()),
        field @ (Field::Value(_) | Field::Faulty(_)) => field,
    };
    faults.required(name, field, text(parse))
}

/// Addresses that may be left out. `None` only if a fault was noted.
fn written(faults: &mut Faults, name: &str, field: AddressesBody) -> Option<Recipients> {
    match field {
        Field::Absent | Field::Null => Some(Recipients::default()),
        field @ (Field::Value(_) | Field::Faulty(_)) => recipients(faults, name, field),
    }
}

/// Addresses that are there. `None` only if a fault was noted.
pub fn recipients(faults: &mut Faults, name: &str, field: AddressesBody) -> Option<Recipients> {
    let entries = faults.required(name, field, at_most(MAX_ENTRIES))?;
    faults.within(&format!("/{name}"), |faults| {
        let read = entries.into_iter().enumerate().map(|(index, entry)| address(faults, index, entry));
        // Collected in two steps: the first fault must not end the check.
        let read: Vec<Option<(String, Option<String>)>> = read.collect();
        let places: Vec<usize> =
            read.iter().enumerate().filter(|(_, entry)| entry.is_some()).map(|(at, _)| at).collect();
        let is_read = places.len() == read.len();
        let readable: Vec<_> = read.into_iter().flatten().collect();
        match Recipients::parse(readable.iter().map(|(email, name)| (email.as_str(), name.as_deref()))) {
            Ok(recipients) => is_read.then_some(recipients),
            Err(refused) => {
                for (place, invalid) in refused {
                    let place = place.and_then(|place| places.get(place)).map(ToString::to_string);
                    faults.broken::<()>(&place.unwrap_or_default(), invalid.code, invalid.detail);
                }
                None
            }
        }
    })
}

fn address(faults: &mut Faults, index: usize, entry: Field<AddressBody>) -> Option<(String, Option<String>)> {
    match faults.required(&index.to_string(), entry, Faults::any)? {
        AddressBody::Bare(email) => Some((email, None)),
        AddressBody::Named(NamedAddress { email, name, unknown }) => faults.within(&format!("/{index}"), |faults| {
            faults.unknown(unknown);
            let email = faults.required("email", email, Faults::any);
            let name = faults.optional("name", name, Faults::any);
            Some((email?, name))
        }),
    }
}

/// Files by their ids. `None` only if a fault was noted.
pub fn files(faults: &mut Faults, ids: Vec<Field<String>>) -> Option<AttachmentIds> {
    let ids: Vec<AttachmentId> = read::each(faults, "attachments", ids, read::id)?;
    match AttachmentIds::parse(ids) {
        Ok(ids) => Some(ids),
        Err(invalid) => faults.broken("attachments", invalid.code, invalid.detail),
    }
}

/// What stands behind the `@` of an address; none, if the text is no address.
pub fn domain_of(address: &str) -> Option<String> {
    let address = Email::parse(address).ok()?;
    address.as_str().rsplit_once('@').map(|(_, domain)| domain.to_owned())
}
