//! The pool: sqlx's own, of which what is large is compiled here and nowhere else.
//!
//! The compiler makes the code of a library's asynchronous functions anew in every crate that waits for them. How a
//! connection is made (TLS, passwords, types), found and given back is forty thousand lines of that, which seven crates
//! need. So what takes a connection is boxed here, and a statement comes here in one form whatever it was written with:
//! one allocation more, beside a round trip to the server.

use std::sync::Arc;

use futures_util::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Connection, Either, Execute, Executor, PgConnection, Postgres, SqlStr, Transaction,
    error::BoxDynError,
    pool::{PoolConnection, PoolOptions},
    postgres::{PgArguments, PgConnectOptions, PgPool, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use sqlx_core::describe::Describe;

/// A pool of connections to one database, in one role. Clones share it.
///
/// Statements run on `&Pool`, each on a connection of its own; several that belong together on one that was
/// [taken](Self::acquire), or in a [transaction](Self::begin).
#[derive(Clone, Debug)]
pub struct Pool(PgPool);

impl From<PgPool> for Pool {
    fn from(pool: PgPool) -> Self {
        Self(pool)
    }
}

impl From<&PgPool> for Pool {
    fn from(pool: &PgPool) -> Self {
        Self(pool.clone())
    }
}

impl Pool {
    /// Takes a connection, which goes back when it is dropped.
    pub fn acquire(&self) -> BoxFuture<'static, Result<PoolConnection<Postgres>, sqlx::Error>> {
        Box::pin(self.take())
    }

    /// As [`acquire`](Self::acquire), not boxed.
    pub(super) fn take(&self) -> impl Future<Output = Result<PoolConnection<Postgres>, sqlx::Error>> + Send + 'static {
        self.0.acquire()
    }

    /// Takes a connection and begins a transaction on it, which is undone unless it is committed.
    pub fn begin(&self) -> BoxFuture<'_, Result<Transaction<'static, Postgres>, sqlx::Error>> {
        Box::pin(self.0.begin())
    }

    /// Closes it, once the connections that are out have come back.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }

    /// Where and as whom it connects.
    pub fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.0.connect_options()
    }

    /// Has the connections that are made from now on made otherwise.
    pub fn set_connect_options(&self, options: PgConnectOptions) {
        self.0.set_connect_options(options);
    }

    /// What bounds it.
    pub fn options(&self) -> &PoolOptions<Postgres> {
        self.0.options()
    }

    /// How many connections there are.
    pub fn size(&self) -> u32 {
        self.0.size()
    }

    /// How many of them nobody has.
    pub fn num_idle(&self) -> usize {
        self.0.num_idle()
    }
}

/// A connection of one's own, of no pool.
pub fn connect_with(options: &PgConnectOptions) -> BoxFuture<'_, Result<PgConnection, sqlx::Error>> {
    Box::pin(PgConnection::connect_with(options))
}

/// A statement, whatever it was written with.
struct Statement {
    sql: SqlStr,
    arguments: Option<Result<Option<PgArguments>, BoxDynError>>,
    is_persistent: bool,
    prepared: Option<PgStatement>,
}

impl Statement {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Self {
        let arguments = Some(query.take_arguments());
        let (is_persistent, prepared) = (query.persistent(), query.statement().cloned());
        Self { sql: query.sql(), arguments, is_persistent, prepared }
    }
}

impl Execute<'_, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.prepared.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }

    fn persistent(&self) -> bool {
        self.is_persistent
    }
}

type Many<'e> = BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>;
type Optional<'e> = BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>;

impl Pool {
    fn many<'e>(&self, statement: Statement) -> Many<'e> {
        (&self.0).fetch_many(statement)
    }

    fn optional<'e>(&self, statement: Statement) -> Optional<'e> {
        (&self.0).fetch_optional(statement)
    }
}

impl<'p> Executor<'p> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Many<'e>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.many(Statement::of(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Optional<'e>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.optional(Statement::of(query))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.0).prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.0).describe(sql)
    }
}
