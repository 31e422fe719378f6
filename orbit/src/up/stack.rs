//! All roles in one process: the command API with the relay, the projector, the reactor, the query API, behind one
//! listener.

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use chrono::TimeDelta;
use orbit_adapters::blobs::{Blobs, Location};
use orbit_command_api::app as command_api;
use orbit_event_store::{Limits, Log, MasterKey, Vault, relay::History};
use orbit_platform::{
    auth::{Admins, TokenSigner, TokenVerifier},
    clock::Clock,
    http::{docs, health, layers::serve_layers_with, limits::RateLimiter, serve},
    nats::{self, FirstConnection},
    postgres::{self, Pool},
    shutdown::{self, Shutdown},
    signing::SigningKey,
    telemetry::metrics,
};
use orbit_query_api::app as query_api;
use tokio::net::TcpListener;

use super::Args;
use crate::serve::whole_api;

const HTTP: &str = "http";
const QUERY: &str = "query-api";
const REACTOR: &str = "reactor";
const PROJECTOR: &str = "projector";
const COMMAND: &str = "command-api";

/// How this process calls itself towards servers.
const NAME: &str = "orbit";
/// How long a role may take to end what it is doing. Requests under way have their own ten seconds within the first.
const GRACE: Duration = Duration::from_secs(12);

/// Everything at work. Each role has a life of its own, so that they can be ended in order.
#[derive(Debug)]
pub struct Stack {
    /// In the order in which they are to end: nobody may be left without what it needs.
    roles: [(&'static str, Shutdown); 5],
}

impl Stack {
    /// Connects and starts every role, then serves.
    pub async fn start(args: &Args, listener: TcpListener) -> anyhow::Result<Self> {
        // Lives of their own and not children of one: at its end they would all end at once.
        let stack = Self { roles: [HTTP, QUERY, REACTOR, PROJECTOR, COMMAND].map(|name| (name, Shutdown::new())) };
        match stack.connect(args).await {
            Ok(router) => {
                let life = stack.life(HTTP);
                life.spawn("http", {
                    let life = life.clone();
                    async move { serve::serve(listener, router, &life).await }
                });
                tracing::info!("every role runs");
                Ok(stack)
            }
            Err(error) => {
                // What could be started is stopped again; why the rest could not is what is told.
                let _ = stack.stop().await;
                Err(error)
            }
        }
    }

    /// Resolves when a role has ended by itself, which only a bug makes it do.
    pub async fn broken(&self) {
        let ends = self.roles.iter().map(|(_, life)| Box::pin(life.cancelled()));
        futures_util::future::select_all(ends).await;
    }

    /// Ends the roles one after the other: nobody asks any more, read models rest, what was accepted is appended.
    pub async fn stop(self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        for (role, life) in self.roles {
            match life.finish(GRACE).await {
                Ok(()) => tracing::info!(role, "stopped"),
                Err(fault @ shutdown::Fault::Timeout { .. }) => tracing::warn!(role, %fault, "left behind"),
                Err(fault) if outcome.is_ok() => outcome = Err(fault),
                Err(fault) => tracing::error!(role, %fault, "broken as well"),
            }
        }
        Ok(outcome?)
    }

    fn life(&self, role: &str) -> &Shutdown {
        let found = self.roles.iter().find(|(name, _)| *name == role);
        &found.unwrap_or(&self.roles[0]).1
    }

    async fn connect(&self, args: &Args) -> anyhow::Result<Router> {
        let environment = args.environment.environment;
        let clock = Clock::system();
        let master_key = MasterKey::from_args(&args.keys, environment)?;
        let verifier = TokenVerifier::from_args(&args.auth, environment, clock.clone())?;
        let jwks = verifier.jwks().clone();
        let admins = Admins::from_args(&args.auth, environment);
        // Now and not in the background: a wrong address or password is to be said at once.
        nats::connect(&args.nats, NAME, FirstConnection::Required)
            .await?
            .drain()
            .await
            .context("NATS went away again")?;
        let nats = nats::connect(&args.nats, NAME, FirstConnection::Retried).await?;
        let pools = Pools::connect(args).await?;
        // One limit per user, whichever role answers.
        let user_limit = RateLimiter::new("user", args.http.rate_user);

        let location = Location::from_args(&args.blobs)?.context("ORBIT_BLOBS names no directory")?;
        let blobs =
            Blobs::open(&location).context("the directory of messages and files cannot be used: see ORBIT_BLOBS")?;

        let commands = command_api::Parts {
            pool: pools.command.clone(),
            nats: nats.clone(),
            nats_prefix: args.nats.nats_prefix.clone(),
            clock: clock.clone(),
            proof_key: SigningKey::from_args(&args.proof, environment)?,
            master_key: master_key.clone(),
            signer: TokenSigner::from_args(&args.auth, environment, clock.clone())?,
            verifier: verifier.clone(),
            admins: admins.clone(),
            user_limit: user_limit.clone(),
            login_limit: RateLimiter::new("login", args.http.rate_login),
            refresh_limit: RateLimiter::new("refresh", args.http.rate_refresh),
            refresh_ttl: TimeDelta::seconds(args.auth.refresh_token_ttl_s.into()),
            erasure_grace: args.erasure.grace(),
            blobs: Some(blobs.clone()),
            limits: Limits::default(),
            history: History::default(),
        };
        let commands = command_api::App::start(commands, self.life(COMMAND)).await?;
        let commands = commands
            .with_send_hold(args.mail.send_hold())
            .with_import_limit(args.mail.import_limit_bytes)
            .with_upload_rate(args.http.rate_upload)
            .with_mail_servers(
                orbit_command_api::MailServers::from_args(&args.mail, environment)
                    .map_err(command_api::Fault::Certificates)?,
            )
            .with_connection_test_rate(args.http.rate_connection_test);
        let facts = orbit_projector::Deps {
            log: Log::new(pools.projector.clone()),
            vault: Vault::new(pools.projector.clone(), &master_key, clock.clone()),
            pool: pools.projector.clone(),
            nats: nats.clone(),
            prefix: args.nats.nats_prefix.clone(),
            clock: clock.clone(),
        };
        orbit_projector::start(facts, self.life(PROJECTOR));
        let work = orbit_reactor::Deps {
            store: commands.store().clone(),
            nats: nats.clone(),
            prefix: args.nats.nats_prefix.clone(),
            blobs: blobs.clone(),
            mail: orbit_reactor::Mail::from_args(&args.mail, args.environment.environment)
                .map_err(orbit_reactor::Fault::Certificates)?,
        };
        orbit_reactor::start(work, self.life(REACTOR));
        let queries = query_api::Parts {
            pool: pools.query.clone(),
            primary: pools.query.clone(),
            nats,
            nats_prefix: args.nats.nats_prefix.clone(),
            clock,
            master_key,
            verifier,
            admins,
            user_limit,
            search_limit: RateLimiter::new("search", args.http.rate_search),
            as_of_connections: args.past.as_of_connections,
        };
        let queries = query_api::App::start(queries, self.life(QUERY)).await?.with_blobs(blobs);

        metrics::start_upkeep(self.life(COMMAND));
        let router = Router::from(commands.routes().merge(queries.routes()))
            .merge(whole_api().router())
            .merge(docs::jwks_router(&jwks))
            // Both roles need the same two servers.
            .merge(health::router(commands.probes()));
        Ok(serve_layers_with(router, &args.http, command_api::LONG))
    }
}

/// A pool for each role: its connections may do what the role may, and one role's rush does not starve the others.
#[derive(Debug)]
struct Pools {
    command: Pool,
    projector: Pool,
    query: Pool,
}

impl Pools {
    async fn connect(args: &Args) -> anyhow::Result<Self> {
        let path = Some(orbit_projector::SEARCH_PATH);
        Ok(Self {
            command: postgres::connect_as(&args.database, "orbit command-api", None, command_api::ROLE).await?,
            projector: postgres::connect_as(&args.database, "orbit projector", path, orbit_projector::ROLE).await?,
            query: query_api::connect(&args.database).await?,
        })
    }
}
