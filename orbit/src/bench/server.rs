//! A whole Orbit on scratch servers, as `orbit up` has it, with one more route: the yardstick of the HTTP bench.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{Router, http::StatusCode, middleware::from_fn_with_state, routing::post};
use chrono::TimeDelta;
use clap::Parser;
use orbit_adapters::{
    blobs::{Blobs, Location},
    net::Roots,
};
use orbit_command_api::app as command_api;
use orbit_event_store::{EventStore, Limits, Log, Vault, relay::History};
use orbit_platform::{
    auth::{self, Admins, Guard, TokenSigner, TokenVerifier},
    config::{AuthArgs, Environment, HttpArgs, Secret, generate_signing_key},
    http::{layers::serve_layers, limits::RateLimiter, serve},
    postgres, random,
    shutdown::Shutdown,
    signing::SigningKey,
};
use orbit_query_api::app as query_api;
use tokio::net::TcpListener;

use super::{client::Client, scratch::Scratch};

/// The yardstick: verifies the token and answers 201.
pub const VERIFIED: &str = "/bench/verified";

/// Settings as a process has them, with rate limits off: they are not what is measured.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    auth: AuthArgs,
}

/// Which processes are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// The command API with its relay, as in production, where projectors and queries are processes of their own.
    Commands,
    /// All in one process, as in `orbit up`.
    All,
}

/// An Orbit under load.
pub struct Server {
    pub address: SocketAddr,
    pub store: EventStore,
    pub blobs: Blobs,
    verifier: TokenVerifier,
}

/// A user with a session.
#[derive(Clone)]
pub struct User {
    pub id: uuid::Uuid,
    pub token: Arc<str>,
}

impl Server {
    /// Starts roles at a free port; they stop with the scratch servers.
    pub async fn start(scratch: &Scratch, roles: Roles) -> anyhow::Result<Self> {
        let key = generate_signing_key();
        let settings = Settings::try_parse_from(["bench", "--rate-user=off", "--rate-login=off", "--rate-search=off"])?;
        let auth = AuthArgs { signing_key: Some(Secret::new(key)), ..settings.auth };
        let (environment, clock) = (Environment::Development, scratch.clock.clone());
        let signer = TokenSigner::from_args(&auth, environment, clock.clone())?;
        let verifier = TokenVerifier::from_args(&auth, environment, clock.clone())?;
        let nats = scratch.nats().await?;
        let limiter = |name| RateLimiter::new(name, settings.http.rate_user);
        let path = Some(orbit_projector::SEARCH_PATH);
        let database = scratch.database_args();
        let pool = postgres::connect_as(&database, "orbit projector", path, orbit_projector::ROLE).await?;
        let blobs = Blobs::open(&Location::Directory(scratch.directory().join("blobs")))?;
        let commands = command_api::Parts {
            pool: postgres::connect_as(&database, "orbit command-api", None, command_api::ROLE).await?,
            nats: nats.clone(),
            nats_prefix: Scratch::PREFIX.to_owned(),
            clock: clock.clone(),
            master_key: scratch.master_key.clone(),
            proof_key: SigningKey::from_seed(&random::bytes()).context("a proof key could not be made")?,
            signer,
            verifier: verifier.clone(),
            admins: Admins::from_args(&auth, environment),
            user_limit: limiter("user"),
            login_limit: limiter("login"),
            refresh_limit: limiter("refresh"),
            refresh_ttl: TimeDelta::days(30),
            erasure_grace: TimeDelta::days(7),
            blobs: Some(blobs.clone()),
            limits: Limits::default(),
            history: History::default(),
        };
        let commands = command_api::App::start(commands, &scratch.shutdown).await?;
        let deps = orbit_projector::Deps {
            log: Log::new(pool.clone()),
            vault: Vault::new(pool.clone(), &scratch.master_key, clock.clone()),
            pool,
            nats: nats.clone(),
            prefix: Scratch::PREFIX.to_owned(),
            clock: clock.clone(),
        };
        if roles == Roles::All {
            orbit_projector::start(deps, &scratch.shutdown);
            let work = orbit_reactor::Deps {
                store: commands.store().clone(),
                nats: nats.clone(),
                prefix: Scratch::PREFIX.to_owned(),
                blobs: blobs.clone(),
                // Nothing is sent here.
                mail: orbit_reactor::Mail { roots: Roots::new(None)?, private_hosts: false },
            };
            orbit_reactor::start(work, &scratch.shutdown);
        }
        let pool = query_api::connect(&database).await?;
        let queries = query_api::Parts {
            pool: pool.clone(),
            primary: pool,
            nats,
            nats_prefix: Scratch::PREFIX.to_owned(),
            clock,
            master_key: scratch.master_key.clone(),
            verifier: verifier.clone(),
            admins: Admins::from_args(&auth, environment),
            user_limit: limiter("user"),
            search_limit: limiter("search"),
            as_of_connections: 4,
        };
        let queries = query_api::App::start(queries, &scratch.shutdown).await?.with_blobs(blobs.clone());
        let guard = Guard::new(verifier.clone(), limiter("user"));
        let yardstick = Router::new()
            .route(VERIFIED, post(async || StatusCode::CREATED))
            .route_layer(from_fn_with_state(guard, auth::guard));
        let (router, _) = commands.routes().merge(queries.routes()).split_for_parts();
        let router = serve_layers(router.merge(yardstick), &settings.http);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let life: Shutdown = scratch.shutdown.clone();
        scratch.shutdown.spawn("bench.http", async move { serve::serve(listener, router, &life).await });
        Ok(Self { address, store: commands.store().clone(), blobs, verifier })
    }

    /// Registers a user over HTTP.
    pub async fn register(&self, n: usize) -> anyhow::Result<User> {
        let mut client = Client::connect(self.address, None).await?;
        let body = serde_json::json!({
            "email": format!("bench{n}@example.org"), "password": "Correct-Horse-7", "name": "Bench",
        });
        let answer = client.send("POST", "/api/v1/auth/register", &[], Some(body.to_string())).await?;
        anyhow::ensure!(answer.status == 201, "register answered {}: {}", answer.status, answer.text());
        let tokens: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let token = tokens["access_token"].as_str().unwrap_or_default();
        let id = self.verifier.verify(token).map_err(|_| anyhow::anyhow!("register gave an invalid token"))?.user_id;
        Ok(User { id, token: token.into() })
    }
}
