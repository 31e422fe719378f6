//! Mail of a running Orbit: taken in from files by hand, in backups, back again, and forgotten with its owner.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use common::{TestHome, Up, client, erase, orbit, refused, until};
use serde_json::{Value, json};

const PASSWORD: &str = "Correct-Horse-1";

fn message(n: usize) -> String {
    format!(
        "Message-ID: <{n}@example.org>\r\nFrom: Carla <carla@example.org>\r\nTo: ada@example.org\r\n\
         Date: Mon, 23 Nov 2026 09:{:02}:{:02} +0000\r\nSubject: Number {n}\r\n\r\nWords of {n}.\r\n",
        n / 60 % 60,
        n % 60
    )
}

fn mbox(count: usize) -> String {
    let one = |n| ["From x@example.org Mon Nov 23 09:00:00 2026\r\n", &message(n), "\r\n"].concat();
    (0..count).map(one).collect()
}

fn import(home: &TestHome, more: &[&str]) -> Command {
    let mut command = orbit();
    command.args(["import", "mail", "--user", "ada@example.org"]).args(more).env("ORBIT_HOME", home.path());
    command
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

async fn emails(up: &Up, token: &str, query: &str) -> Vec<Value> {
    let request = client().get(format!("{}/api/v1/emails?limit=200{query}", up.address)).bearer_auth(token);
    let page: Value = request.send().await.unwrap().json().await.unwrap();
    page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

async fn listed(up: &Up, token: &str, query: &str, count: usize) -> Vec<Value> {
    until("they are listed", || async { emails(up, token, query).await.len() == count }).await;
    emails(up, token, query).await
}

async fn raw(up: &Up, token: &str, email: &Value) -> String {
    let path = format!("{}/api/v1/emails/{}/raw", up.address, email["id"].as_str().unwrap());
    let answer = client().get(path).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

fn packs(home: &TestHome) -> usize {
    let owners = fs::read_dir(home.path().join("data/blobs")).unwrap().flatten();
    // An owner may be forgotten between one look and the next.
    owners.filter_map(|owner| Some(fs::read_dir(owner.path()).ok()?.count())).sum()
}

#[tokio::test]
async fn files_are_taken_in_beside_a_running_orbit_once_however_often_they_are_given() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let token = up.register("ada@example.org").await;
    let files = tempfile::tempdir().unwrap();
    let mailbox = files.path().join("old.mbox");
    fs::write(&mailbox, mbox(150)).unwrap();
    let maildir = files.path().join("Maildir");
    for (name, n) in [("cur/1700000000.M1.host:2,S", 3), ("new/1700000001.M2.host", 900)] {
        let path = maildir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, message(n)).unwrap();
    }
    let (mailbox, maildir) = (mailbox.to_str().unwrap(), maildir.to_str().unwrap());
    let done = answer(&import(&home, &["--json", mailbox, maildir]).output().unwrap());
    let counts = |done: &Value| {
        let all = done["imports"].as_array().unwrap().iter();
        all.map(|one| (one["created"].clone(), one["known"].clone(), one["status"].clone())).collect::<Vec<_>>()
    };
    let complete = json!("complete");
    let expected = [(json!(150), json!(0), complete.clone()), (json!(1), json!(1), complete.clone())];
    assert_eq!(counts(&done), expected, "{done}");
    let stored = packs(&home);
    let again = answer(&import(&home, &["--json", mailbox, maildir]).output().unwrap());
    assert_eq!(counts(&again), [(json!(0), json!(150), complete.clone()), (json!(0), json!(2), complete)]);
    assert_eq!((&done["imports"][0]["id"], packs(&home)), (&again["imports"][0]["id"], stored));
    listed(&up, &token, "&folder=inbox", 151).await;

    let letter = files.path().join("letter.eml");
    fs::write(&letter, message(1_000)).unwrap();
    let said = import(&home, &["--folder", "Old mail", letter.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.contains("letter.eml: 1 messages, 1 new, 0 known, 0 refused"), "{said}");
    let all = listed(&up, &token, "", 152).await;
    let old: Vec<_> = all.iter().filter(|email| email["folder"] == "Old mail").collect();
    assert_eq!(old.len(), 1, "{all:?}");
    assert_eq!(raw(&up, &token, old[0]).await, message(1_000));

    let said = refused(&mut import(&home, &["/nowhere.mbox"]));
    assert!(said.starts_with("cannot find /nowhere.mbox"), "{said}");
    let said = refused(&mut import(&home, &["--folder", "", mailbox]));
    assert!(said.contains("--folder is not one line"), "{said}");
    let mut stranger = orbit();
    stranger.args(["import", "mail", "--user", "nobody@example.org", mailbox]).env("ORBIT_HOME", home.path());
    let said = refused(&mut stranger);
    assert!(said.contains("nobody logs in as nobody@example.org: register first"), "{said}");
    let doctor = orbit().arg("doctor").env("ORBIT_HOME", home.path()).output().unwrap();
    let said = String::from_utf8([doctor.stdout, doctor.stderr].concat()).unwrap();
    assert!(doctor.status.success() && said.contains("data/blobs can be written and read"), "{said}");
    up.stop();
}

fn restore(home: &TestHome, from: &Path, more: &[&str]) -> Command {
    let mut command = orbit();
    command.args(["restore", "--json"]).arg(from).args(more).env("ORBIT_HOME", home.path());
    command
}

#[tokio::test]
async fn messages_come_back_from_a_backup_but_for_those_of_who_was_forgotten() {
    let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
    let up = Up::start(&home, &["--erasure-grace-days", "0"]);
    let (ada, bob) = (up.register("ada@example.org").await, up.register("bob@example.org").await);
    for token in [&ada, &bob] {
        let request = client().post(format!("{}/api/v1/emails/import", up.address)).bearer_auth(token);
        let request = request.header("content-type", "application/mbox").body(mbox(20));
        assert_eq!(request.send().await.unwrap().status(), 202);
        listed(&up, token, "", 20).await;
    }
    until("uploads that were worked off are gone", || async { packs(&home) == 2 }).await;
    let me: Value = up_get(&up, "/api/v1/auth/me", &bob).await;
    let bob_id = me["id"].as_str().unwrap().to_owned();
    let dir = elsewhere.path().join("monday");
    let mut backup = orbit();
    backup.args(["backup", "--json"]).arg(&dir).env("ORBIT_HOME", home.path());
    let made = answer(&backup.output().unwrap());
    assert_eq!(made["blobs"]["objects"], json!(2), "{made}");
    erase(&up.address, &bob, PASSWORD).await;
    until("his messages are gone", || async { packs(&home) == 1 }).await;
    // The next backup has none of his.
    let mut later = orbit();
    later.args(["backup", "--json"]).arg(elsewhere.path().join("tuesday")).env("ORBIT_HOME", home.path());
    assert_eq!(answer(&later.output().unwrap())["blobs"]["objects"], json!(1));
    let mut without = orbit();
    without
        .args(["backup", "--json", "--no-blobs"])
        .arg(elsewhere.path().join("without"))
        .env("ORBIT_HOME", home.path());
    assert_eq!(answer(&without.output().unwrap())["blobs"], Value::Null);
    up.stop();

    let fresh = TestHome::new().await;
    fs::create_dir_all(fresh.path().join("secrets")).unwrap();
    for name in ["master-key", "signing-key", "proof-key"] {
        fs::copy(home.path().join("secrets").join(name), fresh.path().join("secrets").join(name)).unwrap();
    }
    // A pack that is missing is noticed before anything is touched.
    let spoilt = elsewhere.path().join("spoilt");
    assert!(Command::new("cp").arg("-a").arg(&dir).arg(&spoilt).status().unwrap().success());
    fs::remove_dir_all(spoilt.join("blobs").join(&bob_id)).unwrap();
    let said = refused(&mut restore(&fresh, &spoilt, &[]));
    assert!(said.contains("blobs is not what was backed up (1 packs"), "{said}");

    let restored = answer(&restore(&fresh, &dir, &["--forget", &bob_id]).output().unwrap());
    assert_eq!((&restored["forgotten_again"], &restored["packs"]), (&json!(1), &json!(1)), "{restored}");
    assert!(!fresh.path().join("data/blobs").join(&bob_id).exists());
    let up = Up::start(&fresh, &[]);
    let all = listed(&up, &ada, "", 20).await;
    let newest = all.iter().find(|email| email["subject"] == "Number 19").unwrap();
    assert_eq!(raw(&up, &ada, newest).await, message(19));
    up.stop();
}

async fn up_get(up: &Up, path: &str, token: &str) -> Value {
    let answer = client().get(format!("{}{path}", up.address)).bearer_auth(token).send().await.unwrap();
    answer.json().await.unwrap()
}
