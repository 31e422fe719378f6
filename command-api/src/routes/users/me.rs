//! Changing profile and preferences.

use axum::response::Response;
use orbit_domain::{
    Invalid,
    users::{
        AvatarUrl, Locale, Name, PreferencesPatch, TimeZone, User, WorkingHours,
        user::{Command, Edit},
    },
};
use orbit_event_store::Unit;
use orbit_events::users as facts;
use orbit_platform::http::{
    extract::{Faults, Field, JsonBody, Unknown},
    openapi::parsed,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    SCOPE,
    views::{Hours, WrittenUser},
};
use crate::{
    error::Result,
    routes::read::{self, text},
    write::{Reply, Write, present},
};

/// What is to change of the user: a JSON merge patch (RFC 7396).
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"name": "Ada L.", "time_zone": "Europe/London", "preferences": {"theme": "dark", "sidebar": null}}"#)))]
pub struct EditMe {
    /// 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: Field<String>,
    /// An https address; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048)]
    avatar_url: Field<String>,
    /// An IANA zone.
    #[serde(default)]
    #[schema(value_type = String, example = "Europe/London")]
    time_zone: Field<String>,
    /// A BCP 47 tag.
    #[serde(default)]
    #[schema(value_type = String, example = "en-GB")]
    locale: Field<String>,
    /// All of the working hours, at most 28 entries; `null` takes them away.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Hours>>, max_items = 28)]
    working_hours: Field<Vec<Field<HoursBody>>>,
    /// A merge patch over the preferences, which belong to the clients; `null` clears them. At most 64 KiB as JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    preferences: Field<Map<String, Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct HoursBody {
    #[serde(default)]
    weekday: Field<u8>,
    #[serde(default)]
    from: Field<String>,
    #[serde(default)]
    to: Field<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Change profile and preferences
///
/// A JSON merge patch (RFC 7396): what is absent stays, what is `null` is taken away.
#[utoipa::path(patch, path = "/api/v1/auth/me", tag = "auth", operation_id = "edit_me", request_body = EditMe,
    responses((status = 200, description = "The user as they are now", body = WrittenUser)))]
#[tracing::instrument(name = "command.users.edit", skip_all)]
pub async fn edit(write: Write, body: JsonBody<EditMe>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let edit = body.value.read(&mut faults);
    faults.finish()?;
    let (edit, if_match) = (&Box::new(edit), &write.request.if_match);
    let decide = |unit: Unit| async move {
        let id = unit.context().user_id.0;
        present::<User>(&unit, id, if_match).await?;
        let user = WrittenUser::try_from(unit.decide::<User>(id, Command::Edit(edit.clone())).await?)?;
        Ok(Reply::ok(&user)?.version(user.version))
    };
    write.run(&body.bytes, decide).await
}

impl EditMe {
    fn read(self, faults: &mut Faults) -> Edit {
        faults.unknown(self.unknown);
        let preferences = faults.patch("preferences", self.preferences, |patch| {
            PreferencesPatch::parse(Value::Object(patch)).map_err(Invalid::into_parts)
        });
        let cleared = || PreferencesPatch::parse(Value::Null).ok();
        Edit {
            name: faults.change("name", self.name, text(Name::parse)),
            avatar_url: faults.patch("avatar_url", self.avatar_url, text(AvatarUrl::parse)),
            time_zone: faults.change("time_zone", self.time_zone, text(TimeZone::parse)),
            locale: faults.change("locale", self.locale, text(Locale::parse)),
            working_hours: working_hours(faults, self.working_hours),
            preferences: preferences.and_then(|patch| patch.or_else(cleared)),
        }
    }
}

fn working_hours(faults: &mut Faults, field: Field<Vec<Field<HoursBody>>>) -> Option<WorkingHours> {
    const NAME: &str = "working_hours";
    let entries = faults.patch(NAME, field, read::at_most(WorkingHours::MAX_ENTRIES))?.unwrap_or_default();
    let entries = read::each(faults, NAME, entries, Faults::any)?;
    let entries: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| faults.within(&format!("/{NAME}/{index}"), |faults| entry.read(faults)))
        .collect();
    let entries: Vec<facts::WorkingHours> = entries.into_iter().collect::<Option<_>>()?;
    match WorkingHours::parse(&entries) {
        Ok(hours) => Some(hours),
        Err(wrong) => {
            for entry in wrong {
                let place = entry.index.map_or_else(String::new, |index| format!("/{NAME}/{index}"));
                let (prefix, name) = match entry.field {
                    Some(field) => (place, field.to_owned()),
                    // The entry itself is named by its index, the whole array by its name.
                    None => entry.index.map_or_else(
                        || (String::new(), NAME.to_owned()),
                        |index| (format!("/{NAME}"), index.to_string()),
                    ),
                };
                faults.within(&prefix, |faults| faults.broken::<()>(&name, entry.invalid.code, entry.invalid.detail));
            }
            None
        }
    }
}

impl HoursBody {
    fn read(self, faults: &mut Faults) -> Option<facts::WorkingHours> {
        faults.unknown(self.unknown);
        let weekday = faults.required("weekday", self.weekday, Faults::any);
        let from = faults.required("from", self.from, Faults::any);
        let to = faults.required("to", self.to, Faults::any);
        Some(facts::WorkingHours { weekday: weekday?, from: from?, to: to? })
    }
}
