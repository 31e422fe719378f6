//! Time travel on the whole stack: random commands through the command API, after each of them every read of the query
//! API, and then the same reads as of fifty of these positions and as of their times. What was answered is answered.
//!
//! The seed is fixed, so that a run can be repeated; `ORBIT_TEST_SEED=7` tries another one.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use orbit_platform::clock::Clock;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Answer, Session, World};

const SEED: u8 = 3;
/// Commands of one run. Some are refused and append nothing.
const STEPS: usize = 110;
/// Positions that are asked for again.
const POSITIONS: usize = 50;
/// Commands after which everything is read: enough of them append something.
const LOOKS: usize = 95;

/// A command, with numbers that choose what it is about.
type Step = (What, usize, usize);

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Task,
    SubTask,
    Edit,
    Nest,
    Verb,
    Delete,
    Label,
    Unlabel,
    Board,
    Labels,
    Profile,
    Access,
    SomebodyElse,
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        6 => Just(What::Task),
        5 => Just(What::SubTask),
        6 => Just(What::Edit),
        3 => Just(What::Nest),
        6 => Just(What::Verb),
        3 => Just(What::Delete),
        4 => Just(What::Label),
        2 => Just(What::Unlabel),
        4 => Just(What::Board),
        4 => Just(What::Labels),
        2 => Just(What::Profile),
        2 => Just(What::Access),
        4 => Just(What::SomebodyElse),
    ];
    (what, 0..1_000_usize, 0..1_000_usize)
}

fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

/// An answer without what is each request's own. Cursors are, too: they belong to the moment that was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Essence {
    status: u16,
    etag: Option<String>,
    body: Value,
}

impl Essence {
    fn of(answer: &Answer) -> Self {
        let mut body = serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body));
        if let Value::Object(fields) = &mut body {
            if answer.status >= 400 {
                fields.retain(|name, _| name == "code" || name == "status");
            } else if let Some(cursor) = fields.get_mut("next_cursor") {
                *cursor = json!(cursor.is_string());
            }
        }
        Self { status: answer.status, etag: answer.header("etag").map(str::to_owned), body }
    }
}

/// What was answered when a position was the head.
struct Moment {
    position: i64,
    at: DateTime<Utc>,
    answers: BTreeMap<String, Essence>,
}

struct Run {
    world: World,
    clock: Clock,
    ada: Session,
    bob: Session,
    tasks: Vec<Uuid>,
    /// By path: lists, labels, tokens, connections.
    others: BTreeMap<&'static str, Vec<Uuid>>,
    moments: Vec<Moment>,
}

impl Run {
    async fn new() -> Self {
        let clock = Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap());
        let world = World::at(clock.clone()).await;
        let (ada, bob) = (world.register("ada").await, world.register("bob").await);
        let lists = world.get("/task-lists").by(&ada).send().await.expect(200).each("id");
        let lists = lists.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
        let others = BTreeMap::from([("/task-lists", lists)]);
        Self { world, clock, ada, bob, tasks: Vec::new(), others, moments: Vec::new() }
    }

    fn nth(&self, path: &str, n: usize) -> Option<Uuid> {
        let all = self.others.get(path).map_or(&[][..], Vec::as_slice);
        all.get(n.checked_rem(all.len())?).copied()
    }

    fn task(&self, n: usize) -> Uuid {
        n.checked_rem(self.tasks.len()).map_or(Uuid::nil(), |at| self.tasks[at])
    }

    /// Sends a command. The rules may refuse it.
    async fn send(&self, of: &Session, method: &str, path: &str, body: Option<Value>) -> Option<Answer> {
        let call = self.world.call(method, path).bearer(&self.world.token_at(of, self.clock.now()));
        let answer = if let Some(body) = body { call.json(&body).send().await } else { call.send().await };
        assert!(answer.status < 500 && ![400, 401, 403].contains(&answer.status), "{answer:?}");
        (answer.status < 300).then_some(answer)
    }

    async fn make(&mut self, path: &'static str, body: Value) {
        if let Some(made) = self.send(&self.ada, "POST", path, Some(body)).await {
            self.others.entry(path).or_default().push(made.id());
        }
    }

    async fn take(&mut self, (what, n, m): Step) {
        let (task, list, label) = (self.task(n), self.nth("/task-lists", m), self.nth("/labels", m));
        let day = (self.clock.now() + TimeDelta::days(i64::try_from(m % 5).unwrap() - 2)).date_naive();
        match what {
            What::Task | What::SubTask => {
                let mut body = json!({"title": format!("Buy milk {n}"), "list_id": list, "due_date": day});
                body["labels"] = json!(label.into_iter().collect::<Vec<_>>());
                body["description"] = json!("oats and milk ".repeat(n % 4));
                if what == What::SubTask && !self.tasks.is_empty() {
                    body["parent_id"] = json!(task);
                }
                if let Some(made) = self.send(&self.ada, "POST", "/tasks", Some(body)).await {
                    self.tasks.push(made.id());
                }
            }
            What::Edit => {
                let changes = [
                    json!({"title": format!("Milk the goat {m}")}),
                    json!({"description": null}),
                    json!({"due_date": day}),
                    json!({"priority": (["low", "medium", "high"][m % 3])}),
                    json!({"list_id": list}),
                    json!({"status": (["backlog", "open", "in_progress", "waiting"][m % 4])}),
                ];
                self.send(&self.ada, "PATCH", &format!("/tasks/{task}"), Some(changes[m % changes.len()].clone()))
                    .await;
            }
            What::Nest => {
                let parent = if m.is_multiple_of(3) { Value::Null } else { json!(self.task(m)) };
                self.send(&self.ada, "PATCH", &format!("/tasks/{task}"), Some(json!({"parent_id": parent}))).await;
            }
            What::Verb => {
                let verb = ["complete", "complete", "reopen", "dismiss", "restore", "restore"][m % 6];
                self.send(&self.ada, "POST", &format!("/tasks/{task}/{verb}"), None).await;
            }
            What::Delete => drop(self.send(&self.ada, "DELETE", &format!("/tasks/{task}"), None).await),
            What::Label | What::Unlabel => {
                let method = if what == What::Label { "POST" } else { "DELETE" };
                let label = label.unwrap_or_default();
                self.send(&self.ada, method, &format!("/tasks/{task}/labels/{label}"), None).await;
            }
            What::Board => self.change("/task-lists", n, m).await,
            What::Labels => self.change("/labels", n, m).await,
            What::Profile => {
                let zone = ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"][m % 3];
                self.send(&self.ada, "PATCH", "/auth/me", Some(json!({"time_zone": zone}))).await;
            }
            What::Access => self.change_access(n, m).await,
            What::SomebodyElse => {
                self.send(&self.bob, "POST", "/tasks", Some(json!({"title": "Bob's milk"}))).await;
            }
        }
    }

    /// A list or a label comes, gets another name, or goes.
    async fn change(&mut self, path: &'static str, n: usize, m: usize) {
        let one = self.nth(path, m).map(|id| format!("{path}/{id}"));
        match (n % 4, one) {
            (0, Some(one)) => drop(self.send(&self.ada, "DELETE", &one, None).await),
            (1, Some(one)) => {
                let name = if m.is_multiple_of(3) { "Today".to_owned() } else { format!("Milk run {m}") };
                self.send(&self.ada, "PATCH", &one, Some(json!({"name": name}))).await;
            }
            _ => self.make(path, json!({"name": format!("Goats {n}")})).await,
        }
    }

    async fn change_access(&mut self, n: usize, m: usize) {
        match n % 4 {
            0 => self.make("/auth/tokens", json!({"name": format!("script {n}"), "scopes": ["tasks:read"]})).await,
            1 => {
                // Not a mailbox: that would be connected with, and facts of that come when they like.
                let connection = json!({"kind": "smtp", "name": "Mail", "endpoint": "smtp.example.org", "port": 465,
                                        "username": "ada", "secret": "hunter2"});
                self.make("/connections", connection).await;
            }
            n => {
                let path = if n == 2 { "/auth/tokens" } else { "/connections" };
                if let Some(one) = self.nth(path, m) {
                    self.send(&self.ada, "DELETE", &format!("{path}/{one}"), None).await;
                }
            }
        }
    }

    /// Every read there is; of single things some that are there, and perhaps one that is gone or yet to come.
    fn paths(&self, newest_fact: Option<Uuid>) -> Vec<String> {
        let lists = [
            "/auth/me",
            "/auth/devices",
            "/auth/tokens?revoked=true",
            "/connections",
            "/tasks?include=total&limit=200",
            "/tasks?limit=3&status[ne]=done&sort=due_date,-priority",
            "/tasks?q=goat",
            "/tasks/today",
            "/tasks/trash",
            "/tasks/board",
            "/tasks/statistics?days=4",
            "/tasks/search?q=milk",
            "/task-lists",
            "/labels",
            "/activities?include=total&limit=200",
            "/activities/recent?limit=200",
            "/activities/types",
            "/activities/search?q=goats",
            "/activities/export",
        ];
        let mut paths = lists.map(str::to_owned).to_vec();
        let step = (self.tasks.len() / 5).max(1);
        for task in self.tasks.iter().step_by(step) {
            paths.extend([format!("/tasks/{task}"), format!("/tasks/{task}/subtasks?sort=created_at")]);
        }
        for (path, ids) in &self.others {
            paths.extend(ids.iter().step_by((ids.len() / 3).max(1)).map(|id| format!("{path}/{id}")));
        }
        paths.extend(newest_fact.map(|id| format!("/activities/{id}")));
        paths
    }

    /// Asks them all at once, as Ada.
    async fn ask(&self, paths: &[String], as_of: Option<&str>) -> BTreeMap<String, (Essence, i64)> {
        let token = self.world.token_at(&self.ada, self.clock.now());
        let mut asked = JoinSet::new();
        for path in paths {
            let sign = if path.contains('?') { '&' } else { '?' };
            let url = as_of.map_or_else(|| path.clone(), |moment| format!("{path}{sign}as_of={moment}"));
            let (path, call) = (path.clone(), self.world.get(&url).bearer(&token));
            asked.spawn(async move { (path, call.send().await) });
        }
        let answers = asked.join_all().await.into_iter();
        answers
            .map(|(path, answer)| {
                assert!([200, 404].contains(&answer.status), "{answer:?}");
                let seen = answer.header("orbit-as-of").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap();
                (path, (Essence::of(&answer), seen))
            })
            .collect()
    }

    /// Reads everything, as soon as everything up to the newest position has been folded.
    async fn look(&mut self, position: i64) {
        self.world.caught_up().await;
        let newest = self.world.get("/activities?limit=1").bearer(&self.world.token_at(&self.ada, self.clock.now()));
        let newest = newest.send().await.expect(200).each("id")[0].as_str().unwrap().parse().ok();
        let answers = self.ask(&self.paths(newest), None).await;
        assert!(answers.values().all(|(_, seen)| *seen == position), "not everything has been seen at {position}");
        let answers = answers.into_iter().map(|(path, (answer, _))| (path, answer)).collect();
        self.moments.push(Moment { position, at: self.clock.now(), answers });
    }
}

#[tokio::test]
async fn whatever_was_answered_at_a_position_is_answered_as_of_it() {
    let seed = std::env::var("ORBIT_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("ORBIT_TEST_SEED={seed}");
    let (mut run, mut runner) = (Run::new().await, runner(seed));
    let steps = prop::collection::vec(step(), STEPS).new_tree(&mut runner).unwrap().current();
    let looks = Just((0..STEPS).collect::<Vec<_>>()).prop_shuffle().new_tree(&mut runner).unwrap().current();
    for (at, step) in steps.into_iter().enumerate() {
        // Days go by: what is due, recent and done within the last days changes with the time alone.
        run.clock.advance(TimeDelta::minutes(53));
        let before = run.world.head().await;
        run.take(step).await;
        let position = run.world.head().await;
        // What was refused is no moment: it has a time, and no position of its own.
        if position > before && looks[..LOOKS].contains(&at) {
            run.look(position).await;
        }
    }
    let count = run.moments.len();
    assert!(count >= POSITIONS, "only {count} commands were not refused");
    let chosen = Just((0..count).collect::<Vec<_>>()).prop_shuffle().new_tree(&mut runner).unwrap().current();
    for moment in chosen.into_iter().take(POSITIONS).map(|at| &run.moments[at]) {
        let paths: Vec<String> = moment.answers.keys().cloned().collect();
        let position = moment.position;
        for (path, (answer, seen)) in run.ask(&paths, Some(&position.to_string())).await {
            assert_eq!(answer, moment.answers[&path], "{path} as of {position}");
            assert_eq!(seen, position, "{path}");
        }
        // By the time, the moment is that of Ada's newest fact, and answers are the same.
        let sample: Vec<String> = paths.into_iter().skip(usize::try_from(position).unwrap() % 5).step_by(5).collect();
        for (path, (answer, seen)) in run.ask(&sample, Some(&moment.at.format("%FT%TZ").to_string())).await {
            assert_eq!(answer, moment.answers[&path], "{path} as of {}", moment.at);
            assert!(seen <= position, "{path}: {seen} as of {}", moment.at);
        }
    }
    run.world.stop().await;
}
