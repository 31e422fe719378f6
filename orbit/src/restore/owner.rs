//! A backup whose tables belong to a database user whom this server does not know: they become those of the one who
//! restores, with the same grants.

use anyhow::Context;
use orbit_platform::postgres::Pool;
use sqlx::AssertSqlSafe;

/// Grants that later tables are to get are kept per user who makes them: those of the other one become ours too.
const COPY_DEFAULTS: &str = "DO $do$
DECLARE
    line text;
BEGIN
    FOR line IN
        SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT %s ON %s TO %I', n.nspname, g.privilege_type,
                      CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                           ELSE 'TYPES' END, r.rolname)
        FROM pg_default_acl d
        JOIN pg_namespace n ON n.oid = d.defaclnamespace
        CROSS JOIN LATERAL aclexplode(d.defaclacl) g
        JOIN pg_roles r ON r.oid = g.grantee
        WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = '{owner}')
    LOOP
        EXECUTE line;
    END LOOP;
END
$do$";

/// Whom the tables belong to in the backup.
#[derive(Debug)]
pub enum Owner {
    /// Whoever restores.
    Same,
    /// Another user of this server, who keeps them.
    Known(String),
    /// Nobody here: a role that stands in for the time of the restore.
    Stranger(String),
}

impl Owner {
    /// Makes sure that tables can be given to this user.
    pub async fn prepare(pool: &Pool, owner: &str) -> anyhow::Result<Self> {
        let (me, known): (String, bool) =
            sqlx::query_as("SELECT current_user::text, EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                .bind(owner)
                .fetch_one(pool)
                .await?;
        if me == owner {
            return Ok(Self::Same);
        }
        if known {
            return Ok(Self::Known(owner.to_owned()));
        }
        let role = quote(owner);
        let sql = format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO CURRENT_USER");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.with_context(|| {
            format!("the backup's tables belong to a user {owner}, who does not exist here and cannot be made")
        })?;
        Ok(Self::Stranger(owner.to_owned()))
    }

    /// Afterwards: what is a stranger's becomes ours.
    pub async fn adopt(self, pool: &Pool) -> anyhow::Result<()> {
        let (owner, stranger) = match self {
            Self::Same => return Ok(()),
            Self::Known(owner) => (owner, false),
            Self::Stranger(owner) => (owner, true),
        };
        let mut sql = COPY_DEFAULTS.replace("{owner}", &owner.replace('\'', "''"));
        if stranger {
            let role = quote(&owner);
            sql = format!("{sql}; REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}");
        }
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(pool)
            .await
            .with_context(|| format!("the tables of user {owner} could not be taken over"))?;
        Ok(())
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
