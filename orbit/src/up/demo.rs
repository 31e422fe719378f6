//! `--demo`: a user with lists, labels, tasks, sub-tasks and a mailbox, made through the same commands as anybody's.
//!
//! Done once: while it is being filled the workspace's owner is called `UNFINISHED`, and each command has an
//! idempotency key, so that a demo that was cut short is completed by the next start and not made twice.

mod mail;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chrono::{Days, NaiveDate};
use orbit_platform::{clock::Clock, random};
use orbit_runtime::{Home, Secrets};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// Who owns the workspace.
pub const EMAIL: &str = "demo@orbit.localhost";
const NAME: &str = "Demo";
const UNFINISHED: &str = "Demo (being filled)";
/// The file of the password, beside the other secrets.
const PASSWORD: &str = "demo-password";

/// How long the mailbox may take to be there, and a read model to follow.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(100);

const LISTS: [(&str, &str); 2] = [("Reading", "#8e44ad"), ("Holidays", "#16a085")];
const LABELS: [(&str, &str); 4] =
    [("home", "#2e86de"), ("work", "#c0392b"), ("urgent", "#e67e22"), ("quick", "#27ae60")];

/// A task of the demo. `due` counts days from today.
struct Task {
    title: &'static str,
    list: &'static str,
    priority: &'static str,
    due: Option<u64>,
    labels: &'static [&'static str],
    parts: &'static [&'static str],
    done: bool,
}

const TASKS: [Task; 7] = [
    Task {
        title: "Plan the summer holidays",
        list: "Holidays",
        priority: "medium",
        due: Some(21),
        labels: &["home"],
        parts: &["Agree on dates", "Compare three places", "Book the train", "Ask the neighbours about the plants"],
        done: false,
    },
    Task {
        title: "Prepare the quarterly review",
        list: "In Progress",
        priority: "high",
        due: Some(3),
        labels: &["work", "urgent"],
        parts: &["Collect the figures", "Write the summary", "Rehearse"],
        done: false,
    },
    Task {
        title: "Answer Ada about the analytical engine",
        list: "Today",
        priority: "high",
        due: Some(0),
        labels: &["work", "quick"],
        parts: &[],
        done: false,
    },
    Task {
        title: "Water the plants",
        list: "Today",
        priority: "low",
        due: Some(0),
        labels: &["home", "quick"],
        parts: &[],
        done: false,
    },
    Task {
        title: "Read «Notes on the Synthesis of Form»",
        list: "Reading",
        priority: "low",
        due: None,
        labels: &["home"],
        parts: &["Part one", "Part two"],
        done: false,
    },
    Task {
        title: "Learn to sharpen a plane",
        list: "Backlog",
        priority: "low",
        due: None,
        labels: &[],
        parts: &[],
        done: false,
    },
    Task {
        title: "Install Orbit",
        list: "Today",
        priority: "medium",
        due: Some(0),
        labels: &["quick"],
        parts: &[],
        done: true,
    },
];

/// How the demo's user logs in.
#[derive(Debug)]
pub struct Account {
    /// The password of [`EMAIL`].
    pub password: String,
}

/// Makes the workspace at `address` unless it is there.
pub async fn fill(address: &str, home: &Home) -> anyhow::Result<Account> {
    // An upper-case letter, lower-case letters and a digit are what the rules want.
    let password = Secrets::open(home)?.get_or_create(PASSWORD, || Ok(format!("Demo-1-{}", &random::token()[..12])))?;
    let api = Api::enter(address, &password).await?;
    let me = api.get("/auth/me").await?;
    if me["name"] == UNFINISHED {
        api.fill().await?;
        api.send(Method::PATCH, "/auth/me", &json!({ "name": NAME }), None).await?;
    }
    Ok(Account { password })
}

/// The API, as this user.
struct Api {
    client: Client,
    base: String,
    token: String,
    /// The newest position that a command has answered with: what is read next must have seen it.
    position: AtomicI64,
}

impl Api {
    /// Registers, or logs in if that happened before.
    async fn enter(address: &str, password: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        let mut api =
            Self { client, base: format!("{address}/api/v1"), token: String::new(), position: AtomicI64::new(0) };
        let body = json!({ "email": EMAIL, "password": password, "name": UNFINISHED });
        let (mut status, mut answer) = api.ask(Method::POST, "/auth/register", Some(&body), None).await?;
        if status == StatusCode::CONFLICT {
            let body = json!({ "email": EMAIL, "password": password });
            (status, answer) = api.ask(Method::POST, "/auth/login", Some(&body), None).await?;
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "the demo's user {EMAIL} is in this database with another password than the one in .orbit/secrets: log in as that user, or use another database"
            );
        }
        let token = expect(status, &answer, "/auth")?["access_token"].as_str();
        api.token = token.context("the demo's user got no token")?.to_owned();
        Ok(api)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let lists = self.named("/task-lists", &LISTS).await?;
        let labels = self.named("/labels", &LABELS).await?;
        let today = Clock::system().now().date_naive();
        for task in &TASKS {
            self.create(task, &lists, &labels, today).await?;
        }
        self.mail().await
    }

    /// The mailbox, a star, a label, and the beginning of an answer.
    async fn mail(&self) -> anyhow::Result<()> {
        // Messages that are there already are passed over: bringing them needs no key, and the times in them change.
        let mailbox = mail::mailbox(Clock::system().now());
        let request = self.client.post(format!("{}/emails/import?name=demo.mbox", self.base)).bearer_auth(&self.token);
        let answer = request.header("Content-Type", "application/mbox").body(mailbox).send().await;
        let answer = answer.context("the demo's mailbox got no answer")?;
        let (status, text) = (answer.status(), answer.text().await.context("the demo's mailbox got half an answer")?);
        let import: Value = serde_json::from_str(&text).unwrap_or_default();
        let id = expect(status, &import, "/emails/import")?["id"].as_str().unwrap_or_default().to_owned();
        let begun = Instant::now();
        while self.get(&format!("/emails/imports/{id}")).await?["status"] != "complete" {
            if begun.elapsed() > PATIENCE {
                bail!("the demo's mailbox is not taken in: see the log");
            }
            tokio::time::sleep(LOOK).await;
        }
        for (subject, verb, body) in [
            (mail::STARRED, "star", json!({})),
            (mail::LABELLED, "label", json!({ "label": "work" })),
            (mail::ANSWERED, "read", json!({})),
        ] {
            let Some(id) = self.email(subject).await? else { bail!("the demo's message «{subject}» is not there") };
            self.post(&format!("/emails/{id}/{verb}"), &body, &format!("{verb} {subject}")).await?;
            if subject == mail::ANSWERED {
                let draft = json!({
                    "reply_to_email_id": id, "to": [{ "email": "ada@analytical.example", "name": "Ada Wren" }],
                    "subject": format!("Re: {subject}"), "body": "I bring the carriage to Bob on Thursday.",
                });
                self.post("/emails/drafts", &draft, "draft").await?;
            }
        }
        Ok(())
    }

    /// The e-mail with this subject, once it can be read.
    async fn email(&self, subject: &str) -> anyhow::Result<Option<String>> {
        let begun = Instant::now();
        loop {
            let page = self.get("/emails?limit=200").await?;
            let mut all = page["data"].as_array().into_iter().flatten();
            let found = all.find(|email| email["subject"] == subject);
            let found = found.and_then(|email| email["id"].as_str()).map(str::to_owned);
            if found.is_some() || begun.elapsed() > PATIENCE {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Creates what is missing of these names, and gives the ids of all.
    async fn named(
        &self,
        path: &str,
        wanted: &[(&'static str, &'static str)],
    ) -> anyhow::Result<HashMap<String, Value>> {
        let there = self.get(&format!("{path}?limit=200")).await?;
        let entries = there["data"].as_array().into_iter().flatten();
        let mut ids: HashMap<String, Value> =
            entries.filter_map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["id"].clone()))).collect();
        for (name, color) in wanted {
            if !ids.contains_key(*name) {
                let made = self.post(path, &json!({ "name": name, "color": color }), name).await?;
                ids.insert((*name).to_owned(), made["id"].clone());
            }
        }
        Ok(ids)
    }

    async fn create(
        &self,
        task: &Task,
        lists: &HashMap<String, Value>,
        labels: &HashMap<String, Value>,
        today: NaiveDate,
    ) -> anyhow::Result<()> {
        let labels: Vec<_> = task.labels.iter().filter_map(|name| labels.get(*name)).collect();
        let due = task.due.and_then(|days| today.checked_add_days(Days::new(days)));
        let mut body = json!({ "title": task.title, "priority": task.priority, "labels": labels });
        if let Some(list) = lists.get(task.list) {
            body["list_id"] = list.clone();
        }
        if let Some(due) = due {
            body["due_date"] = json!(due);
        }
        let made = self.post("/tasks", &body, task.title).await?;
        for part in task.parts {
            let body = json!({ "title": part, "parent_id": made["id"], "list_id": made["list_id"] });
            self.post("/tasks", &body, &format!("{}/{part}", task.title)).await?;
        }
        if task.done {
            let id = made["id"].as_str().unwrap_or_default();
            self.post(&format!("/tasks/{id}/complete"), &json!({}), &format!("complete {}", task.title)).await?;
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let (status, answer) = self.ask(Method::GET, path, None, None).await?;
            // At a first start the projector may still be getting ready.
            if answer["code"] != "projection_lag" || begun.elapsed() > PATIENCE {
                return expect(status, &answer, path).cloned();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// `what` makes the idempotency key: the same step has the same one at every start.
    async fn post(&self, path: &str, body: &Value, what: &str) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body, Some(what)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value, what: Option<&str>) -> anyhow::Result<Value> {
        let (status, answer) = self.ask(method, path, Some(body), what).await?;
        expect(status, &answer, path).cloned()
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        what: Option<&str>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        let position = self.position.load(Ordering::Relaxed);
        if position > 0 && body.is_none() {
            request = request.header("Orbit-Min-Position", position);
        }
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(what) = what {
            // Keys are visible ASCII; titles need not be.
            let plain: String = what.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect();
            request = request.header("Idempotency-Key", format!("demo-{plain}"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.context("the demo's command got no answer")?;
        let status = response.status();
        let reached = response.headers().get("Orbit-Position").and_then(|value| value.to_str().ok()?.parse().ok());
        self.position.fetch_max(reached.unwrap_or(0), Ordering::Relaxed);
        let text = response.text().await.context("the demo's command got half an answer")?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }
}

fn expect<'a>(status: StatusCode, answer: &'a Value, path: &str) -> anyhow::Result<&'a Value> {
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer["detail"].as_str().unwrap_or("no reason given");
    bail!("the demo could not be filled: {path} answered {status}: {detail}")
}
