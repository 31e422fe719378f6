//! The tables of a rebuild: like those that are served, in a schema of their own, with what the projections find rows by.
//! Other indexes are built when the rows are there, which is several times cheaper than keeping them while they come.

use futures_util::{StreamExt, TryStreamExt, stream};
use orbit_platform::postgres::Pool;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{Fault, connect_as_owner};
use crate::projection::Registered;

/// Which log, which code and which tables a rebuild is made from. One that was begun from something else is begun anew.
pub async fn origin(admin: &mut PgConnection, epoch: Uuid, chosen: &[&'static Registered]) -> Result<String, Fault> {
    let statements = definitions(admin, chosen).await?.join(";");
    let versions: Vec<String> = chosen.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
    let tables = sqlx::query_scalar!(r#"SELECT md5($1) AS "md5!""#, statements)
        .fetch_one(admin)
        .await
        .map_err(Fault::database("take a fingerprint of the tables"))?;
    Ok(format!("{epoch} {} {tables}", versions.join(" ")))
}

/// Makes the tables, empty, in place of those of any rebuild before, and notes what they are made from.
pub async fn make(
    admin: &mut PgConnection,
    chosen: &[&'static Registered],
    job: Uuid,
    origin: &str,
) -> Result<(), Fault> {
    let attempt = "make the tables of a rebuild";
    let statements = definitions(admin, chosen).await?;
    let mut transaction = admin.begin().await.map_err(Fault::database(attempt))?;
    clear(&mut transaction, attempt).await?;
    for statement in statements {
        execute(&mut transaction, statement, attempt).await?;
    }
    // Whoever rests and had tables here has none any more.
    sqlx::query!(
        "UPDATE work.rebuilds SET origin = CASE WHEN id = $1 THEN $2 END WHERE id = $1 OR finished_at IS NULL",
        job,
        origin
    )
    .execute(&mut *transaction)
    .await
    .map_err(Fault::database(attempt))?;
    transaction.commit().await.map_err(Fault::database(attempt))
}

/// Removes all that a rebuild has made.
pub async fn drop_all(admin: &mut PgConnection) -> Result<(), Fault> {
    let attempt = "remove the tables of a rebuild";
    let mut transaction = admin.begin().await.map_err(Fault::database(attempt))?;
    clear(&mut transaction, attempt).await?;
    transaction.commit().await.map_err(Fault::database(attempt))
}

/// Drops the tables of whatever rebuild there was, and forgets how far it had come.
pub async fn clear(connection: &mut PgConnection, attempt: &'static str) -> Result<(), Fault> {
    let drops = sqlx::query_scalar!(
        r#"SELECT format('DROP TABLE rebuild.%I', relname) AS "statement!" FROM pg_class
           WHERE relnamespace = 'rebuild'::regnamespace AND relkind = 'r' AND relname NOT IN ('checkpoints', 'parked')
           ORDER BY relname"#
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(Fault::database(attempt))?;
    for statement in drops {
        execute(connection, statement, attempt).await?;
    }
    execute(connection, "DELETE FROM rebuild.checkpoints; DELETE FROM rebuild.parked".to_owned(), attempt).await
}

/// The statements that make tables like those that are served: columns, checks, settings, comments, rights, and the primary
/// keys and indexes that folding needs.
async fn definitions(admin: &mut PgConnection, chosen: &[&'static Registered]) -> Result<Vec<String>, Fault> {
    let names: Vec<&str> = chosen.iter().flat_map(|projection| projection.tables).copied().collect();
    let folded_by: Vec<&str> = chosen.iter().flat_map(|projection| projection.folded_by).copied().collect();
    let only_added_to: Vec<&str> = chosen.iter().flat_map(|projection| projection.only_added_to).copied().collect();
    sqlx::query_scalar!(
        r#"WITH served AS (
               SELECT oid, relname, reloptions, relacl, relowner FROM pg_class
               WHERE relnamespace = 'view'::regnamespace AND relkind = 'r' AND relname = ANY($1))
           SELECT statement AS "statement!" FROM (
               SELECT relname, 1 AS step,
                      format('CREATE TABLE rebuild.%1$I (LIKE view.%1$I INCLUDING ALL EXCLUDING INDEXES)', relname)
                      || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') AS statement
               FROM served
               UNION ALL
               SELECT relname, 2, format('COMMENT ON TABLE rebuild.%I IS %L', relname, obj_description(oid, 'pg_class'))
               FROM served
               UNION ALL
               SELECT s.relname, 3, format('ALTER TABLE rebuild.%I ADD CONSTRAINT %I %s', s.relname, k.conname,
                                           pg_get_constraintdef(k.oid))
               FROM served s JOIN pg_constraint k ON k.conrelid = s.oid AND k.contype = 'p'
               WHERE s.relname <> ALL($3)
               UNION ALL
               SELECT s.relname, 4, format('GRANT %s ON rebuild.%I TO %I', string_agg(a.privilege_type, ', '
                                           ORDER BY a.privilege_type), s.relname, a.grantee::regrole::text)
               FROM served s, aclexplode(s.relacl) a WHERE a.grantee NOT IN (0, s.relowner)
               GROUP BY s.relname, a.grantee
               UNION ALL
               SELECT s.relname, 5, regexp_replace(pg_get_indexdef(x.oid), ' ON view\.', ' ON rebuild.')
               FROM served s JOIN pg_index i ON i.indrelid = s.oid JOIN pg_class x ON x.oid = i.indexrelid
               WHERE x.relname = ANY($2)
           ) AS made ORDER BY relname, step, statement"#,
        &names as &[&str],
        &folded_by as &[&str],
        &only_added_to as &[&str]
    )
    .fetch_all(admin)
    .await
    .map_err(Fault::database("look at the tables that are served"))
}

/// Builds the indexes that are still missing, `workers` at once, and lets the planner look at the rows.
pub async fn index(pool: &Pool, admin: &mut PgConnection, names: &[&str], workers: i16) -> Result<(), Fault> {
    side_by_side(pool, missing_indexes(admin, names).await?, workers, "build an index").await?;
    for statement in missing_keys(admin, names).await? {
        execute(admin, statement, "make an index a primary key").await?;
    }
    let looks = names.iter().map(|name| format!(r#"ANALYZE rebuild."{name}""#)).collect();
    side_by_side(pool, looks, workers, "look at the rows of a rebuild").await
}

/// Has statements executed, `workers` at once, as the tables' owner.
async fn side_by_side(pool: &Pool, statements: Vec<String>, workers: i16, attempt: &'static str) -> Result<(), Fault> {
    let workers = usize::from(workers.unsigned_abs()).max(1);
    stream::iter(statements)
        .map(|statement| async {
            let mut connection = connect_as_owner(pool).await?;
            execute(&mut connection, statement, attempt).await?;
            drop(connection.close().await);
            Ok::<_, Fault>(())
        })
        .buffer_unordered(workers)
        .try_collect()
        .await
}

/// The indexes that the serving tables have and those of the rebuild do not, the dearest first.
async fn missing_indexes(admin: &mut PgConnection, names: &[&str]) -> Result<Vec<String>, Fault> {
    sqlx::query_scalar!(
        r#"SELECT regexp_replace(pg_get_indexdef(x.oid), ' ON view\.', ' ON rebuild.') AS "statement!"
           FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
           JOIN pg_am a ON a.oid = x.relam
           WHERE t.relnamespace = 'view'::regnamespace AND t.relname = ANY($1)
             AND NOT EXISTS (SELECT FROM pg_class made
                             WHERE made.relnamespace = 'rebuild'::regnamespace AND made.relname = x.relname)
           ORDER BY a.amname = 'gin' DESC, pg_relation_size(x.oid) DESC, x.relname"#,
        names as &[&str]
    )
    .fetch_all(admin)
    .await
    .map_err(Fault::database("look at the indexes that are served"))
}

/// The primary keys that the serving tables have and those of the rebuild do not; their indexes are there.
async fn missing_keys(admin: &mut PgConnection, names: &[&str]) -> Result<Vec<String>, Fault> {
    sqlx::query_scalar!(
        r#"SELECT format('ALTER TABLE rebuild.%1$I ADD CONSTRAINT %2$I PRIMARY KEY USING INDEX %2$I', t.relname, k.conname)
                  AS "statement!"
           FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
           WHERE t.relnamespace = 'view'::regnamespace AND t.relname = ANY($1) AND k.contype = 'p'
             AND NOT EXISTS (SELECT FROM pg_constraint made JOIN pg_class m ON m.oid = made.conrelid
                             WHERE m.relnamespace = 'rebuild'::regnamespace AND m.relname = t.relname
                               AND made.contype = 'p')
           ORDER BY t.relname"#,
        names as &[&str]
    )
    .fetch_all(admin)
    .await
    .map_err(Fault::database("look at the primary keys that are served"))
}

/// A statement made of names that the catalogue gave, quoted by the server.
async fn execute(connection: &mut PgConnection, statement: String, attempt: &'static str) -> Result<(), Fault> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map_err(Fault::database(attempt))?;
    Ok(())
}
