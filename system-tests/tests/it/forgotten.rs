//! To be forgotten, down to the bytes: after an erasure no file of the database, of the broker or of the blobs holds a word
//! that the person wrote, though all of them did before; others notice nothing, and a rebuild is as good as ever.

use std::path::Path;

use orbit_testing::{OwnServers, eventually};
use serde_json::json;

use crate::world::{SOON, Session, World};

/// In every word that the person writes, whatever its case and whatever is around it.
const MARK: &[u8] = b"xyloquark";

/// Files below a directory that hold the mark, in any case, as it is or as hexadecimal digits.
fn files_with_the_mark(directory: &Path) -> Vec<String> {
    let hexadecimal: Vec<u8> = MARK.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    let mut found = vec![];
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with_the_mark(&path));
            continue;
        }
        // One that is being removed meanwhile holds nothing.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let bytes = bytes.to_ascii_lowercase();
        if [MARK, &hexadecimal].into_iter().any(|word| bytes.windows(word.len()).any(|window| window == word)) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The mark in every field that takes words.
async fn write_everywhere(world: &World, ada: &Session) {
    let me = json!({"name": "Xyloquark \"A\" Ünïcode", "avatar_url": "https://example.org/xyloquark.png",
                    "preferences": {"xyloquark-key": ["XYLOQUARK", {"deep": "xyloquark\\n✿"}]}});
    world.call("PATCH", "/auth/me").by(ada).json(&me).send().await.expect(200);
    let list = json!({"name": "Xyloquark list"});
    let list = world.post("/task-lists").by(ada).json(&list).send().await.expect(201).json();
    let label = world.post("/labels").by(ada).json(&json!({"name": "Xyloquark label"})).send().await.expect(201).json();
    for n in 0..50 {
        let task = json!({"title": format!("Xyloquark \"plan\" {n} ✿"), "description": "Line\nxyloquark\tline",
                          "list_id": list["id"], "labels": [label["id"]]});
        let call = world.post("/tasks").by(ada).header("idempotency-key", &format!("xyloquark-{n}")).json(&task);
        let task = call.send().await.expect(201).json();
        let path = format!("/tasks/{}", task["id"].as_str().unwrap());
        let title = json!({"title": format!("Renamed xyloquark {n}")});
        world.call("PATCH", &path).by(ada).json(&title).send().await.expect(200);
        if n % 10 == 0 {
            world.call("DELETE", &path).by(ada).send().await.expect(204);
        }
    }
    let connection = json!({"kind": "imap", "name": "Xyloquark mail", "endpoint": "imap.xyloquark.example", "port": 993,
                            "username": "xyloquark", "secret": "xyloquark-secret"});
    world.post("/connections").by(ada).json(&connection).send().await.expect(201);
    let token = json!({"name": "Xyloquark script", "scopes": ["tasks:read"]});
    world.post("/auth/tokens").by(ada).json(&token).send().await.expect(201);
    let login = json!({"email": "xyloquark@example.org", "password": crate::world::PASSWORD,
                       "device_name": "Xyloquark phone"});
    world.post("/auth/login").header("user-agent", "Xyloquark/1.0").json(&login).send().await.expect(200);
    let mailbox = "From x@xyloquark.example Tue Nov 24 10:00:00 2026\nMessage-ID: <xyloquark@example.org>\n\
        From: Xyloquark <x@xyloquark.example>\nTo: ada@example.org\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n\
        Subject: Xyloquark\n\nWords of xyloquark.\n\n";
    let done = world.bring(ada, "?name=xyloquark.mbox&folder=Xyloquark", mailbox).await;
    assert_eq!((&done["created"], &done["refused"]), (&json!(1), &json!(0)), "{done}");
    let file = world.post("/emails/attachments?filename=xyloquark.txt").by(ada);
    file.bytes("text/plain", "xyloquark in a file").send().await.expect(201);
    world.post("/auth/me/export").by(ada).send().await.expect(202);
}

async fn execute(world: &World, sql: &'static str) {
    sqlx::raw_sql(sql).execute(world.database.pool()).await.unwrap();
}

#[tokio::test]
async fn nothing_that_an_erased_user_wrote_is_left_in_any_file_and_nobody_else_notices() {
    let own = OwnServers::start(|_| ()).await;
    let world = World::on(own.database().await, own.nats().await).await;
    let (database, broker) = (own.postgres_data_dir(), own.nats_data_dir());
    let ada = world.register("xyloquark").await;
    let other = world.register("other").await;
    let kept = world.post("/tasks").by(&other).json(&json!({"title": "Stays"})).send().await.expect(201).json();
    // One of her facts cannot be applied, and is parked.
    execute(&world, "ALTER TABLE view.tasks ADD CONSTRAINT picky CHECK (title NOT LIKE '%Unbearable%')").await;
    let parked = json!({"title": "Unbearable xyloquark"});
    world.post("/tasks").by(&ada).json(&parked).send().await.expect(201);
    write_everywhere(&world, &ada).await;
    world.caught_up().await;
    let count = "SELECT count(*) FROM view.parked";
    let count = || async { sqlx::query_scalar::<_, i64>(count).fetch_one(world.database.pool()).await.unwrap() };
    assert!(count().await > 0, "something is parked");
    // The planner's samples of her words, too.
    execute(&world, "ANALYZE; CHECKPOINT").await;
    let blobs = world.blobs.join(ada.id.to_string());
    assert!(blobs.is_dir(), "her messages and files lie there");
    assert_eq!(files_with_the_mark(&world.blobs), Vec::<String>::new(), "sealed");
    let before = files_with_the_mark(&database);
    assert!(before.len() > 5, "the tables, their indexes, the statistics, the write-ahead log: {before:?}");
    assert_eq!(files_with_the_mark(&broker), Vec::<String>::new(), "the broker never held a word");

    let password = json!({"password": crate::world::PASSWORD});
    world.call("DELETE", "/auth/me").by(&ada).json(&password).send().await.expect(202);
    let erased = "SELECT max(position) FROM log.events WHERE type = 'users.erased'";
    let scrubbed = "SELECT max(position) FROM log.scrubs";
    // It is looked for every ten seconds, and every table of read models is written anew, on whatever disk.
    eventually(SOON * 4, || async {
        let position = |sql| sqlx::query_scalar::<_, Option<i64>>(sql).fetch_one(world.database.pool());
        let (erased, scrubbed) = (position(erased).await.unwrap(), position(scrubbed).await.unwrap());
        if erased.is_some() && erased == scrubbed { Ok(()) } else { Err((erased, scrubbed)) }
    })
    .await;
    // Files of tables that were written anew go with the checkpoint after.
    eventually(SOON, || async {
        execute(&world, "CHECKPOINT").await;
        let left = files_with_the_mark(&database);
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(files_with_the_mark(&broker), Vec::<String>::new());
    assert!(!blobs.exists(), "nor is a pack of hers left, sealed or not");
    assert_eq!(count().await, 0, "nor is anything of hers parked");

    let path = format!("/tasks/{}", kept["id"].as_str().unwrap());
    assert_eq!(world.get(&path).by(&other).send().await.expect(200).json()["title"], "Stays");
    let title = json!({"title": "Stays so"});
    world.call("PATCH", &path).by(&other).json(&title).send().await.expect(200);
    world.caught_up().await;
    world.fold_into("fold").await;
    assert_eq!(world.dump("view").await, world.dump("fold").await, "a rebuild is what is served");
    world.stop().await;
    own.stop().await;
}
