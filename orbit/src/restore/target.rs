//! The database that is to be made: looked at before, made under another name, and given its name when it is complete.

use anyhow::{Context, anyhow, bail};
use orbit_platform::{
    clock::Clock,
    config::{DatabaseArgs, Secret},
    postgres,
};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::schema;

/// Marks a database that a restore is filling: the next one may remove it.
const UNFINISHED: &str = "orbit restore: unfinished";
/// Names are made longer here, and `PostgreSQL` cuts them at 63 bytes.
const LONGEST_NAME: usize = 40;

/// What bears the name now.
#[derive(Debug, PartialEq, Eq)]
pub enum Present {
    /// No such database.
    Nothing,
    /// A database without any fact.
    Empty,
    /// An Orbit with facts, up to this position.
    Orbit(i64),
}

/// The name, and a connection beside it that can create and rename databases.
#[derive(Debug)]
pub struct Target {
    admin: PgConnection,
    database: DatabaseArgs,
    /// What it is called.
    pub name: String,
    /// What bears that name now.
    pub present: Present,
    /// Users who were forgotten there.
    pub forgotten: Vec<Uuid>,
}

impl Target {
    /// Looks at the server. Refuses when another restore is at it, or anybody works with the database.
    pub async fn look(database: &DatabaseArgs) -> anyhow::Result<Self> {
        let options = postgres::options(database, "orbit restore", None)?;
        let name = options.get_database().unwrap_or(options.get_username()).to_owned();
        if name.len() > LONGEST_NAME || ["postgres", "template0", "template1"].contains(&name.as_str()) {
            bail!("DATABASE_URL names the database {name}: choose another name, of at most {LONGEST_NAME} bytes");
        }
        let beside = with_database(database, "postgres")?;
        let mut admin = schema::connect(&beside, "orbit restore").await.context(
            "a restore makes a new database and so connects to the one called postgres on that server first",
        )?;
        // Ends with the connection.
        let alone: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('orbit restore ' || $1, 0))")
                .bind(&name)
                .fetch_one(&mut admin)
                .await?;
        if !alone {
            bail!("another `orbit restore` is making the database {name} just now: wait for it");
        }
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut admin)
            .await?;
        let mut target =
            Self { admin, database: database.clone(), name, present: Present::Nothing, forgotten: Vec::new() };
        if there {
            target.require_nobody().await?;
            target.look_inside().await?;
        }
        Ok(target)
    }

    /// Refuses to take the place of facts unless that is wanted.
    pub fn require_free(&self, replace: bool) -> anyhow::Result<()> {
        match self.present {
            Present::Orbit(position) if !replace => bail!(
                "the database {} holds facts up to position {position}: restore into another one, or say --replace to set this one aside",
                self.name
            ),
            _ => Ok(()),
        }
    }

    async fn require_nobody(&mut self) -> anyhow::Result<()> {
        let who: Vec<String> = sqlx::query_scalar(
            "SELECT format('%s (%s)', coalesce(nullif(application_name, ''), usename, 'somebody'), count(*))
             FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'
             GROUP BY coalesce(nullif(application_name, ''), usename, 'somebody') ORDER BY 1 LIMIT 10",
        )
        .bind(&self.name)
        .fetch_all(&mut self.admin)
        .await?;
        if who.is_empty() {
            return Ok(());
        }
        bail!("the database {} is in use by {}: stop all Orbit processes first", self.name, who.join(", "))
    }

    async fn look_inside(&mut self) -> anyhow::Result<()> {
        let mut inside = schema::connect(&self.database, "orbit restore").await?;
        let (tables, is_orbit): (i64, bool) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm')),
                    to_regclass('log.head') IS NOT NULL AND to_regclass('vault.keys') IS NOT NULL",
        )
        .fetch_one(&mut inside)
        .await?;
        self.present = match (tables, is_orbit) {
            (0, _) => Present::Empty,
            (_, false) => bail!("the database {} holds tables that are not Orbit's: choose another one", self.name),
            (_, true) => match sqlx::query_scalar("SELECT position FROM log.head").fetch_one(&mut inside).await? {
                0 => Present::Empty,
                position => Present::Orbit(position),
            },
        };
        if self.present != Present::Empty {
            // All of them: sixteen bytes for each user who ever left.
            let forgotten = "SELECT DISTINCT user_id FROM vault.keys WHERE destroyed_at IS NOT NULL ORDER BY user_id";
            self.forgotten = sqlx::query_scalar(forgotten).fetch_all(&mut inside).await?;
        }
        let _ = inside.close().await;
        Ok(())
    }

    /// An empty database beside it, and how to reach that one.
    pub async fn create_draft(&mut self) -> anyhow::Result<DatabaseArgs> {
        let draft = self.draft();
        let left_over: Option<Option<String>> =
            sqlx::query_scalar("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1")
                .bind(&draft)
                .fetch_optional(&mut self.admin)
                .await?;
        match left_over {
            None => {}
            Some(Some(comment)) if comment == UNFINISHED => self.drop_draft().await?,
            Some(_) => bail!("there is a database {draft}, which this restore would need as a draft: drop it first"),
        }
        let (quoted, attempted) =
            (quote(&draft), "cannot create a database: the user in DATABASE_URL must be allowed to");
        self.execute(format!("CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'"))
            .await
            .context(attempted)?;
        self.execute(format!("COMMENT ON DATABASE {quoted} IS '{UNFINISHED}'")).await?;
        with_database(&self.database, &draft)
    }

    /// Gives up the draft.
    pub async fn drop_draft(&mut self) -> anyhow::Result<()> {
        self.execute(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(&self.draft()))).await
    }

    /// The draft takes the name, in one step. What had it before is set aside; says under which name, if it has facts.
    pub async fn swap(&mut self) -> anyhow::Result<Option<String>> {
        let (draft, name) = (quote(&self.draft()), quote(&self.name));
        let aside = format!("{}_replaced_{}", self.name, Clock::system().now().format("%Y%m%d_%H%M%S"));
        let mut steps = vec!["BEGIN".to_owned(), format!("COMMENT ON DATABASE {draft} IS NULL")];
        if self.present != Present::Nothing {
            steps.push(format!("ALTER DATABASE {name} RENAME TO {}", quote(&aside)));
        }
        steps.extend([format!("ALTER DATABASE {draft} RENAME TO {name}"), "COMMIT".to_owned()]);
        for step in steps {
            if let Err(error) = self.execute(step).await {
                let _ = self.execute("ROLLBACK".to_owned()).await;
                return Err(error.context(format!(
                    "the database {} could not be given its name: stop whoever is connected to it and restore again",
                    self.name
                )));
            }
        }
        match self.present {
            Present::Nothing => Ok(None),
            Present::Empty => {
                // Without a fact nothing is lost with it; should it stay, it harms nobody.
                let _ = self.execute(format!("DROP DATABASE IF EXISTS {}", quote(&aside))).await;
                Ok(None)
            }
            Present::Orbit(_) => Ok(Some(aside)),
        }
    }

    fn draft(&self) -> String {
        format!("{}_restoring", self.name)
    }

    async fn execute(&mut self, sql: String) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.admin).await?;
        Ok(())
    }
}

/// The same server and user, another database.
fn with_database(database: &DatabaseArgs, name: &str) -> anyhow::Result<DatabaseArgs> {
    let odd =
        || anyhow!("DATABASE_URL must name the database in its path: postgres://orbit:password@localhost:5432/orbit");
    let mut url = Url::parse(database.database_url.expose().trim()).map_err(|_| odd())?;
    url.set_path(name);
    let other = DatabaseArgs { database_url: Secret::new(url.as_str()), ..database.clone() };
    // A parameter of the address may win over its path.
    let options = postgres::options(&other, "orbit restore", None)?;
    if options.get_database() == Some(name) { Ok(other) } else { Err(odd()) }
}

/// An identifier as SQL wants it.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(url: &str) -> DatabaseArgs {
        DatabaseArgs { database_url: Secret::new(url), database_connections: 1, database_acquire_timeout_ms: 1 }
    }

    #[test]
    fn another_database_on_the_same_server_keeps_everything_else_of_the_address() {
        let other = with_database(&database("postgres://o:p%2F@h:1/a?sslmode=require"), "a_restoring").unwrap();
        assert_eq!(other.database_url.expose(), "postgres://o:p%2F@h:1/a_restoring?sslmode=require");
        let socket = with_database(&database("postgres:///a?host=/run/postgresql&user=o"), "b c").unwrap();
        assert_eq!(socket.database_url.expose(), "postgres:///b%20c?host=/run/postgresql&user=o");
        assert!(with_database(&database("postgres://h/a?dbname=x"), "b").is_err());
    }
}
