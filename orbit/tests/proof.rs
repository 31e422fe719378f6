//! `orbit verify` and `orbit audit export` beside a running Orbit: what a superuser changes behind its back is found.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use common::{TestHome, Up, client, orbit, sentence, until};
use orbit_runtime::{Addresses, Home};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

fn beside(home: &TestHome, words: &[&str]) -> Output {
    let mut command: Command = orbit();
    command.args(words).env("ORBIT_HOME", home.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The newest checkpoint as a witness would keep it, once it covers a position.
async fn checkpoint(up: &Up, token: &str, position: i64) -> String {
    let ask = || async {
        let ask = client().get(format!("{}/api/v1/audit/checkpoint", up.address)).bearer_auth(token);
        ask.header("accept", "text/plain").header("orbit-min-position", position).send().await.unwrap()
    };
    until("it is sealed", || async { ask().await.status() == 200 }).await;
    ask().await.text().await.unwrap()
}

async fn head(database: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT position FROM log.head").fetch_one(database).await.unwrap()
}

/// As a superuser who does not want to be stopped.
async fn tamper(database: &mut PgConnection, sql: &str) {
    let sql = format!(
        "BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL; {sql}; ALTER TABLE log.events ENABLE TRIGGER ALL; COMMIT"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(database).await.unwrap();
}

async fn tasks(up: &Up, token: &str, titles: &[&str]) {
    for title in titles {
        let (status, answer) = up.post("/api/v1/tasks", token, &json!({ "title": title })).await;
        assert_eq!(status, 201, "{answer}");
    }
}

/// Every file below a directory, by its path there.
fn files(directory: &Path, below: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(directory, &path, all);
        } else {
            all.push(path.strip_prefix(directory).unwrap().display().to_string());
        }
    }
    all.sort();
}

#[tokio::test]
async fn what_is_changed_behind_a_running_orbit_is_found_and_what_users_do_is_not() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let (ada, bob) = (up.register("ada@example.org").await, up.register("bob@example.org").await);
    tasks(&up, &ada, &["Zanzibar one", "Zanzibar two", "Zanzibar three"]).await;
    let address = Addresses::of_home(&Home::at(home.path())).unwrap().unwrap().database_url;
    let mut database = PgConnection::connect(&address).await.unwrap();
    let kept = home.path().join("kept.txt");
    fs::write(&kept, checkpoint(&up, &ada, head(&mut database).await).await).unwrap();

    // Untouched, it is sound; read models get there in a moment.
    let words = ["verify", "--checkpoint", kept.to_str().unwrap()];
    let table = said(&beside(&home, &words));
    assert!(
        table.contains("signed with a trusted key") && table.contains("✓  witness") && !table.contains('✗'),
        "{table}"
    );

    // An export, and one that goes on where it ended: nothing of what was written is in it.
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("witness");
    let export = ["audit", "export", to.to_str().unwrap()];
    assert!(said(&beside(&home, &export)).contains("of them new"));
    tasks(&up, &bob, &["Zanzibar four"]).await;
    checkpoint(&up, &ada, head(&mut database).await).await;
    assert!(said(&beside(&home, &export)).contains(" 1 of them new"));
    assert!(said(&beside(&home, &export)).contains("already"));
    let size = head(&mut database).await;
    let mut exported = Vec::new();
    files(&to, &to, &mut exported);
    let tiles = [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")];
    assert_eq!(exported, ["README.txt", "checkpoint", &tiles[0], &tiles[1], "verifier-key"]);
    for file in &exported {
        let bytes = fs::read(to.join(file)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("Zanzibar"), "{file}");
    }

    // Being forgotten changes no proof: the sealed payload stays.
    let forget = client().delete(format!("{}/api/v1/auth/me", up.address)).bearer_auth(&bob);
    let answer = forget.json(&json!({ "password": "Correct-Horse-1" })).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    checkpoint(&up, &ada, head(&mut database).await).await;
    until("it is sound", || async { beside(&home, &words).status.success() }).await;

    for (change, back, position) in [
        (
            "UPDATE log.events SET data = set_byte(data, 30, get_byte(data, 30) # 1) WHERE position = 5",
            "UPDATE log.events SET data = set_byte(data, 30, get_byte(data, 30) # 1) WHERE position = 5",
            5,
        ),
        (
            "UPDATE log.events SET position = -2 WHERE position = 2; UPDATE log.events SET position = 2 WHERE position = 7;
             UPDATE log.events SET position = 7 WHERE position = -2",
            "UPDATE log.events SET position = -2 WHERE position = 7; UPDATE log.events SET position = 7 WHERE position = 2;
             UPDATE log.events SET position = 2 WHERE position = -2",
            2,
        ),
        (
            "CREATE TABLE public.gone AS SELECT * FROM log.events WHERE position = 6; DELETE FROM log.events WHERE position = 6",
            "INSERT INTO log.events SELECT * FROM public.gone; DROP TABLE public.gone",
            6,
        ),
        (
            "CREATE TABLE public.told AS SELECT id FROM view.activities WHERE position = 8; UPDATE view.activities SET id = uuidv7() WHERE position = 8;
             INSERT INTO view.activities (id, user_id, position, at, actor, action_type, schema_version, description, entity_type, entity_id, correlation_id, trigrams_low, trigrams_high)
             SELECT uuidv7(), user_id, 100000, at, actor, action_type, schema_version, 'Forged', entity_type, entity_id, correlation_id, trigrams_low, trigrams_high
             FROM view.activities WHERE position = 8",
            "DELETE FROM view.activities WHERE position = 100000; UPDATE view.activities SET id = told.id FROM public.told WHERE position = 8",
            8,
        ),
    ] {
        tamper(&mut database, change).await;
        let found = beside(&home, &words);
        assert_eq!(sentence(&found), format!("the first bad position is {position}"), "{found:?}");
        assert!(String::from_utf8_lossy(&found.stdout).contains('✗'), "{found:?}");
        let page = beside(&home, &["verify", "--json"]);
        let page: Value = serde_json::from_slice(&page.stdout).unwrap();
        assert_eq!((&page["sound"], &page["first_bad_position"]), (&json!(false), &json!(position)), "{page}");
        tamper(&mut database, back).await;
        said(&beside(&home, &words));
    }

    // What was exported is held to what is exported next.
    tamper(&mut database, "UPDATE log.tiles SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1)").await;
    let refused = sentence(&beside(&home, &export));
    assert!(refused.contains("no longer begins with") && refused.contains("orbit verify --checkpoint"), "{refused}");
    up.stop();
}

#[tokio::test]
async fn keys_and_checkpoints_that_prove_nothing_are_refused_with_a_sentence() {
    let home = TestHome::new().await;
    let nothing = sentence(&beside(&home, &["verify"]));
    assert!(nothing.contains("there is no Orbit in"), "{nothing}");
    let database = orbit_testing::database().await;
    let ask = |words: &[&str]| {
        let mut command = orbit();
        sentence(
            &command.args(words).env("ORBIT_HOME", home.path()).env("DATABASE_URL", database.url()).output().unwrap(),
        )
    };
    assert!(ask(&["verify", "--key", "me"]).contains("a verifier key is expected: name+hash+base64"));
    let file = home.path().join("note.txt");
    fs::write(&file, "orbit/x\n1\nAA==\n").unwrap();
    let file = file.to_str().unwrap();
    assert!(ask(&["verify", "--checkpoint", file]).contains("name it with --key"));
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert!(ask(&["verify", "--key", key, "--checkpoint", file]).contains("it is no signed note"));
    assert!(ask(&["audit", "export", "/nowhere"]).contains("nothing is sealed yet"));
}
