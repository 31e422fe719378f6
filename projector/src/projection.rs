//! What a projection is: a name, the facts it wants, the tables it owns, and one function that folds facts into them.

use std::{future::Future, pin::Pin};

use orbit_events::{Envelope, Recorded};
use sqlx::PgConnection;

/// Which facts a projection wants. It knows nothing of the others, so they cannot trouble it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Every fact there is.
    All,
    /// Some.
    Some {
        /// Every fact of these categories.
        categories: &'static [&'static str],
        /// Facts of these wire types, whatever their category.
        types: &'static [&'static str],
    },
}

impl Interest {
    /// Whether a fact is wanted.
    pub fn wants(self, fact: &Envelope) -> bool {
        match self {
            Self::All => true,
            Self::Some { categories, types } => {
                categories.contains(&fact.category.as_str()) || types.contains(&fact.wire_type.as_str())
            }
        }
    }
}

/// A read model folded from facts.
pub trait Projection: 'static {
    /// Unique among the projections; the key of its checkpoints.
    const NAME: &'static str;
    /// Grows by one with every change after which facts come to other rows: a rebuild then fills the tables anew.
    const VERSION: i32;
    /// The facts it wants. It is given no others.
    const INTEREST: Interest;
    /// The tables it owns, without a schema: the `search_path` decides where they lie, so that a rebuild can fill others.
    const TABLES: &'static [&'static str];
    /// Indexes besides the primary keys by which it finds rows while it folds: a rebuild has them from its beginning, and
    /// builds the others when the rows are there.
    const FOLDED_BY: &'static [&'static str] = &[];
    /// Tables of which it finds no row while it fills them: a rebuild builds their primary keys when the rows are there.
    const ONLY_ADDED_TO: &'static [&'static str] = &[];
    /// So many facts at a time are worth a second connection ([`Projection::spread`]).
    const SPREADS_FROM: usize = usize::MAX;

    /// Folds facts of one partition, in the order of their positions, into the tables.
    ///
    /// A deterministic function of tables and facts: no clock, no chance, no other projection's tables. Applying a fact
    /// that was applied before changes nothing: rows carry the version of the stream that they have reached.
    fn apply(connection: &mut PgConnection, facts: &[&Recorded])
    -> impl Future<Output = Result<(), ApplyFault>> + Send;

    /// The same for many facts, on two connections: two processes of the database then work on them. The second is in no
    /// transaction; what it commits may be there before all else is, or without it if the batch is not committed and
    /// has to be applied again. So it may only write rows that nobody reads but through others.
    fn spread(
        connection: &mut PgConnection,
        second: &mut PgConnection,
        facts: &[&Recorded],
    ) -> impl Future<Output = Result<(), ApplyFault>> + Send {
        let _ = second;
        Self::apply(connection, facts)
    }

    /// The same for tables that are being made anew: none of these facts has been applied to them before, so what begins
    /// with them has no rows that would have to be looked for.
    fn fill(connection: &mut PgConnection, facts: &[&Recorded]) -> impl Future<Output = Result<(), ApplyFault>> + Send {
        Self::apply(connection, facts)
    }

    /// Puts in order what applying many facts at a time has left for later, once there is nothing more to apply. No row
    /// says anything else afterwards.
    fn rest(connection: &mut PgConnection) -> impl Future<Output = Result<(), ApplyFault>> + Send {
        let _ = connection;
        std::future::ready(Ok(()))
    }
}

/// What kind of tables facts are folded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Those that serve.
    Serving,
    /// Those that are being made anew: to be filled.
    Fresh,
}

/// Why facts could not be applied.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub struct ApplyFault {
    attempt: &'static str,
    #[source]
    source: sqlx::Error,
}

impl ApplyFault {
    /// A fault that says what was attempted.
    pub fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self { attempt, source }
    }

    /// Whether the facts are innocent: the database went away or was busy, and may well take them later.
    pub fn is_outage(&self) -> bool {
        is_outage(&self.source)
    }
}

/// Whether a database fault says nothing about what was asked, only about the database.
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else {
        // A value that cannot be encoded or a column that is not there would fail again; lost connections would not.
        return !matches!(
            error,
            sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::RowNotFound
        );
    };
    // Only faults of the data itself (class 22: such values; 23: such rows), of a limit of one value (54), and errors
    // raised by code (P0) are a fact's own. Everything else (connection, resources, locks, an operator, a table that a
    // migration has yet to bring) is the database's, and parking streams would not mend it.
    let code = database.code().unwrap_or_default();
    !["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class))
}

type Apply = for<'a> fn(&'a mut PgConnection, &'a [&'a Recorded]) -> Applying<'a>;
type Spread = for<'a> fn(&'a mut PgConnection, &'a mut PgConnection, &'a [&'a Recorded]) -> Applying<'a>;
type Rest = for<'a> fn(&'a mut PgConnection) -> Applying<'a>;
type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyFault>> + Send + 'a>>;

/// A projection as the runner sees it.
#[derive(Clone, Copy)]
pub struct Registered {
    /// [`Projection::NAME`]
    pub name: &'static str,
    /// [`Projection::VERSION`]
    pub version: i32,
    /// [`Projection::INTEREST`]
    pub interest: Interest,
    /// [`Projection::TABLES`]
    pub tables: &'static [&'static str],
    /// [`Projection::FOLDED_BY`]
    pub folded_by: &'static [&'static str],
    /// [`Projection::ONLY_ADDED_TO`]
    pub only_added_to: &'static [&'static str],
    /// [`Projection::SPREADS_FROM`]
    pub spreads_from: usize,
    apply: Apply,
    spread: Spread,
    fill: Apply,
    rest: Rest,
}

impl Registered {
    /// This projection.
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            interest: P::INTEREST,
            tables: P::TABLES,
            folded_by: P::FOLDED_BY,
            only_added_to: P::ONLY_ADDED_TO,
            spreads_from: P::SPREADS_FROM,
            apply: |connection, facts| Box::pin(P::apply(connection, facts)),
            spread: |connection, second, facts| Box::pin(P::spread(connection, second, facts)),
            fill: |connection, facts| Box::pin(P::fill(connection, facts)),
            rest: |connection| Box::pin(P::rest(connection)),
        }
    }

    /// [`Projection::apply`]
    pub async fn apply(&self, connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        (self.apply)(connection, facts).await
    }

    /// [`Projection::spread`]
    pub async fn spread(
        &self,
        connection: &mut PgConnection,
        second: &mut PgConnection,
        facts: &[&Recorded],
    ) -> Result<(), ApplyFault> {
        (self.spread)(connection, second, facts).await
    }

    /// [`Projection::fill`]
    pub async fn fill(&self, connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        (self.fill)(connection, facts).await
    }

    /// [`Projection::rest`]
    pub async fn rest(&self, connection: &mut PgConnection) -> Result<(), ApplyFault> {
        (self.rest)(connection).await
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use orbit_events::{Actor, EventId, Metadata, UserId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_lost_connection_is_nobodys_fault() {
        assert!(is_outage(&sqlx::Error::PoolTimedOut));
        assert!(is_outage(&sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())));
        assert!(!is_outage(&sqlx::Error::RowNotFound));
    }

    #[test]
    fn a_projection_that_wants_some_facts_wants_no_others() {
        let fact = |wire_type: &str| Envelope {
            position: 1,
            event_id: EventId(Uuid::nil()),
            user_id: UserId(Uuid::nil()),
            category: wire_type.split('.').next().unwrap().to_owned(),
            stream_id: Uuid::nil(),
            version: 1,
            wire_type: wire_type.to_owned(),
            schema_version: 1,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            metadata: Metadata {
                actor: Actor::User,
                correlation_id: Uuid::nil(),
                causation_id: None,
                session_id: None,
                traceparent: None,
            },
        };
        let some = Interest::Some { categories: &["tasks"], types: &["users.erased"] };
        assert!(Interest::All.wants(&fact("anything.happened")));
        assert!(some.wants(&fact("tasks.teleported")));
        assert!(some.wants(&fact("users.erased")));
        assert!(!some.wants(&fact("users.registered")));
    }
}
