//! Lists of e-mails: which they are, and in what order. All lists of e-mails are questions of this kind.

use chrono::{DateTime, Utc};
use orbit_domain::emails::query::Terms;
use orbit_platform::{
    http::{
        cursor::{After, CursorKey},
        page::{Page, PageRequest},
        query::{Query, Sort, SortKey},
    },
    problem::ApiError,
};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use super::{
    asked::Asked,
    view::{Email, Row, WIDTH},
    way::Way,
};
use crate::{
    answer::Snapshot,
    reader::Whose,
    routes::{
        conditions::{self, Kind, Order, SortColumn},
        users::zone::Zone,
    },
};

/// Languages of a mailbox that a search looks for the stems of.
const LANGUAGES: i64 = 50;
/// Rows of words that may be there before their e-mails are: those of one batch of a projector, and many more.
const WRITTEN_AHEAD: i64 = 20_000;

const DATE: SortColumn = SortColumn { name: "date", sql: "date", kind: Kind::Time, nullable: false };
const SNOOZED: SortColumn =
    SortColumn { name: "snoozed_until", sql: "snoozed_until", kind: Kind::Time, nullable: false };
const RELEVANCE: &str = "relevance";

/// Which e-mails a list is about, whatever its filters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// All of them.
    All,
    /// All of them, to be searched: with `q`.
    Search,
    /// Those that were not read.
    Unread,
    /// Those that are put off until later.
    Snoozed,
    /// Those in the trash.
    Trash,
}

/// Date and id of an e-mail: where it is among all, from the newest on.
pub(super) type Moment = (DateTime<Utc>, Uuid);
/// How well an e-mail fits, its date and its id.
pub(super) type Ranked = (f32, DateTime<Utc>, Uuid);

/// Where a page begins among what is ranked: the newest that were found are put in order by how well they fit, then as
/// many that are older, and so on to the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// With the best of the newest.
    Newest,
    /// With the best of what is older than this.
    Older(Moment),
    /// Within what this one is the newest of, after that rank.
    Within(Moment, Ranked),
}

impl Start {
    fn read(after: &After) -> Result<Self, ApiError> {
        let moment = (after.get(0)?, after.get(1)?);
        Ok(match after.get::<Option<f32>>(2)? {
            Some(rank) => Self::Within(moment, (rank, after.get(3)?, after.get(4)?)),
            None => Self::Older(moment),
        })
    }

    fn values(self) -> Vec<Value> {
        match self {
            Self::Newest => vec![],
            Self::Older((date, id)) => vec![json!(date), json!(id), Value::Null],
            Self::Within((date, id), (rank, of, the)) => {
                vec![json!(date), json!(id), json!(rank), json!(of), json!(the)]
            }
        }
    }
}

/// How a list is ordered.
#[derive(Clone, Debug)]
pub(super) enum By {
    /// By a column.
    Column(Order, Option<conditions::Place>),
    /// The best first.
    Rank(Start),
}

/// A list of e-mails.
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) about: About,
    pub(super) asked: Asked,
    pub(super) by: By,
    sort: Sort,
    pub(super) page: PageRequest,
    pub(super) now: DateTime<Utc>,
}

/// An e-mail of a list, and what it takes to show where words stand in it.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The e-mail.
    pub email: Email,
    /// How well it fits; 0 where nothing was ranked.
    pub rank: f32,
    /// Its text, if words were looked up.
    pub text: Option<String>,
    /// The language of that.
    pub language: Option<String>,
}

impl Question {
    /// Reads the parameters of a list and refuses all others. `now` is the time for which it is asked.
    pub fn read(mut query: Query, about: About, cursors: &CursorKey, now: DateTime<Utc>) -> Result<Self, ApiError> {
        let asked = Asked::read(&mut query, about == About::Search);
        let has_words = asked.is_search;
        let mut allowed = vec![DATE.name];
        allowed.extend((about == About::Snoozed).then_some(SNOOZED.name));
        allowed.extend(has_words.then_some(RELEVANCE));
        let default = match about {
            _ if has_words => RELEVANCE,
            About::Snoozed => "snoozed_until",
            About::All | About::Search | About::Unread | About::Trash => "-date",
        };
        let sort = query.value("sort", |text| match Sort::parse(text, &allowed) {
            Ok(sort) if matches!(sort.keys[..], [SortKey { column: RELEVANCE, descending: true }]) => {
                Err(("invalid", "the best come first in any case: relevance is expected".to_owned()))
            }
            Ok(sort) if sort.keys.len() == 1 => Ok(sort),
            Ok(_) => Err(("invalid", "one column is expected".to_owned())),
            Err(detail) => Err(("invalid", detail)),
        });
        let sort = sort.unwrap_or_else(|| by_one(default));
        let page = query.page(cursors, &sort);
        query.finish()?;
        let ranks = sort.keys.iter().any(|key| key.column == RELEVANCE);
        let by = if ranks && asked.wants_words() {
            let after = page.after.as_ref();
            By::Rank(after.map(Start::read).transpose()?.unwrap_or(Start::Newest))
        } else {
            // Where nothing can be ranked the newest is the best.
            let sort = if ranks { by_one("-date") } else { sort.clone() };
            let order = Order::of(&sort, &[DATE, SNOOZED]);
            let place = page.after.as_ref().map(|after| order.place(after)).transpose()?;
            By::Column(order, place)
        };
        Ok(Self { about, asked, by, sort, page, now })
    }

    /// Whether it speaks of days, which begin in the user's zone.
    pub fn speaks_of_days(&self) -> bool {
        self.asked.speaks_of_days()
    }

    /// The same with times for days.
    pub fn in_zone(self, zone: Option<Zone>) -> Self {
        Self { asked: self.asked.in_zone(zone), ..self }
    }

    /// Whether there is a `q`.
    pub fn is_search(&self) -> bool {
        self.asked.is_search
    }

    /// What is to be found in the words.
    pub fn terms(&self) -> &Terms {
        &self.asked.terms
    }

    /// Whether it is ordered by date, if not by rank.
    pub(super) fn is_by_date(&self) -> bool {
        self.sort.keys.iter().all(|key| key.column != SNOOZED.name)
    }

    /// Where the newest are that it is about.
    pub(super) fn start(&self) -> Start {
        match (&self.by, &self.page.after) {
            (By::Rank(start), _) => *start,
            (By::Column(..), Some(after)) if self.is_by_date() && self.is_descending() => {
                let moment = after.get(0).and_then(|date| Ok((date, after.get(1)?)));
                moment.map_or(Start::Newest, Start::Older)
            }
            (By::Column(..), _) => Start::Newest,
        }
    }

    /// Whether what is newest, or fits best, comes first.
    pub(super) fn is_descending(&self) -> bool {
        self.sort.keys.iter().all(|key| key.descending || key.column == RELEVANCE)
    }

    /// Makes the page of the rows that the statement gave. `ranked` is what they were put in order among.
    fn page(&self, mut hits: Vec<Hit>, total: Option<i64>, ranked: Ranks) -> Page<Hit> {
        if let By::Column(..) = self.by {
            return self.page.page(hits, total, |Hit { email, .. }| {
                if self.is_by_date() {
                    vec![json!(email.date), json!(email.id)]
                } else {
                    vec![json!(email.snoozed_until), json!(email.id)]
                }
            });
        }
        let limit = usize::try_from(self.page.limit).unwrap_or(usize::MAX);
        let goes_on = hits.len() > limit;
        hits.truncate(limit);
        let next = match (hits.last(), ranked) {
            (Some(Hit { email, rank, .. }), Ranks { newest: Some(newest), .. }) if goes_on => {
                Some(Start::Within(newest, (*rank, email.date, email.id)))
            }
            (_, Ranks { next: Some(next), .. }) => Some(Start::Older(next)),
            _ => None,
        };
        self.page.cut(hits, total, next.map(Start::values))
    }
}

/// What the e-mails of a page were put in order among.
#[derive(Clone, Copy, Debug, Default)]
struct Ranks {
    /// The newest of them.
    newest: Option<Moment>,
    /// The oldest of them, if there are older ones that were found.
    next: Option<Moment>,
    /// Whether all were found that are to be put in order: not, where it was only looked so far.
    is_whole: bool,
}

fn by_one(text: &str) -> Sort {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let column = [RELEVANCE, SNOOZED.name].into_iter().find(|known| *known == name).unwrap_or(DATE.name);
    Sort { keys: vec![SortKey { column, descending }] }
}

/// The page that a question asks for.
pub async fn list(db: &mut PgConnection, whose: Whose, question: &Question) -> sqlx::Result<Snapshot<Page<Hit>>> {
    let (languages, all) =
        if question.asked.terms == Terms::default() { (vec![], 0) } else { languages(db, whose).await? };
    if let Some(mut sample) = question.sample(whose, &languages) {
        let (hits, candidates): (i64, i64) = sample.statement.build_query_as().fetch_one(&mut *db).await?;
        if let Some(walk) = sample.kind.walk(hits, candidates, all) {
            let (page, ranks) = read(db, whose, question, &languages, Way::Walk(walk)).await?;
            if ranks.is_whole || all + WRITTEN_AHEAD <= walk {
                return Ok(page);
            }
        }
    }
    Ok(read(db, whose, question, &languages, Way::Index).await?.0)
}

async fn read(
    db: &mut PgConnection,
    whose: Whose,
    question: &Question,
    languages: &[String],
    way: Way,
) -> sqlx::Result<(Snapshot<Page<Hit>>, Ranks)> {
    let rows = question.statement(whose, languages, way).build().fetch_all(db).await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let total = first.try_get(WIDTH + 3)?;
    let moment = |at: usize| -> sqlx::Result<Option<Moment>> {
        Ok(first.try_get::<Option<_>, _>(at)?.zip(first.try_get::<Option<_>, _>(at + 1)?))
    };
    let (newest, next) = (moment(WIDTH + 4)?, moment(WIDTH + 6)?);
    let (mut as_of, mut hits) = (0, Vec::with_capacity(rows.len()));
    for row in &rows {
        let email = Row::from_row(row)?;
        as_of = email.as_of;
        let Some(email) = email.email() else { continue };
        let (rank, text, language) = (row.try_get(WIDTH)?, row.try_get(WIDTH + 1)?, row.try_get(WIDTH + 2)?);
        hits.push(Hit { email, rank, text, language });
    }
    let is_full = i64::try_from(hits.len()).is_ok_and(|hits| hits == question.page.fetch());
    let is_whole = match &question.by {
        By::Rank(_) => next.is_some(),
        By::Column(..) => is_full,
    };
    let ranks = Ranks { newest, next, is_whole };
    Ok((Snapshot { as_of, body: question.page(hits, total, ranks) }, ranks))
}

/// The languages that most e-mails of a mailbox are in, and how many e-mails it has.
async fn languages(db: &mut PgConnection, whose: Whose) -> sqlx::Result<(Vec<String>, i64)> {
    let row = sqlx::query!(
        r#"SELECT ARRAY(SELECT language FROM email_languages WHERE user_id = $1 ORDER BY emails DESC, language LIMIT $2)
                      AS "languages!",
                  (SELECT coalesce(sum(emails), 0)::bigint FROM email_counts WHERE user_id = $1) AS "all!""#,
        whose.user_id,
        LANGUAGES
    );
    let row = row.fetch_one(db).await?;
    Ok((row.languages, row.all))
}
