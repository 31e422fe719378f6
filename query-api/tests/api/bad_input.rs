//! Bad input: parameters, ids, tokens. Never 500 (the world refuses to let one pass), always the fault by its name.

use serde_json::Value;
use uuid::Uuid;

use crate::world::{ADA, BACKLOG, BOB, TODAY, World, task_id};

/// Every path, with `{id}` where one goes.
const PATHS: [&str; 43] = [
    "/auth/me",
    "/auth/me/exports",
    "/auth/me/exports/{id}",
    "/auth/me/exports/{id}/download",
    "/auth/devices",
    "/auth/tokens",
    "/auth/tokens/{id}",
    "/connections",
    "/connections/{id}",
    "/tasks",
    "/tasks/today",
    "/tasks/trash",
    "/tasks/board",
    "/tasks/statistics",
    "/tasks/{id}",
    "/tasks/{id}/subtasks",
    "/task-lists",
    "/task-lists/{id}",
    "/labels",
    "/labels/{id}",
    "/activities",
    "/activities/types",
    "/activities/recent",
    "/activities/{id}",
    "/audit/checkpoint",
    "/emails",
    "/emails/unread",
    "/emails/snoozed",
    "/emails/trash",
    "/emails/threads",
    "/emails/threads/{id}",
    "/emails/folders",
    "/emails/folders/{id}",
    "/emails/labels",
    "/emails/drafts",
    "/emails/drafts/{id}",
    "/emails/submissions",
    "/emails/submissions/{id}",
    "/emails/attachments",
    "/emails/attachments/{id}",
    "/emails/{id}",
    "/emails/{id}/raw",
    "/emails/{id}/attachments/1",
];

fn names(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_faulty_parameter_is_named() {
    let world = World::new().await.with_ada().await;
    for (path, status, expected) in [
        ("/tasks?status=finished", 400, vec!["?status"]),
        ("/tasks?status[gt]=open", 400, vec!["?status[gt]"]),
        ("/tasks?priority=urgent&created_by=me", 400, vec!["?priority", "?created_by"]),
        ("/tasks?list_id=1", 400, vec!["?list_id"]),
        ("/tasks?label=1&labels[in]=x", 400, vec!["?label", "?labels[in]"]),
        ("/tasks?due_date=tomorrow", 400, vec!["?due_date"]),
        ("/tasks?due_date[gte]=2026-02-30", 400, vec!["?due_date[gte]"]),
        ("/tasks?completed_at[lt]=2026-11-22", 400, vec!["?completed_at[lt]"]),
        ("/tasks?updated_at[gte]=today", 400, vec!["?updated_at[gte]"]),
        ("/tasks?sort=colour", 400, vec!["?sort"]),
        ("/tasks?sort=deleted_at", 400, vec!["?sort"]),
        ("/tasks?limit=0", 400, vec!["?limit"]),
        ("/tasks?limit=201", 400, vec!["?limit"]),
        ("/tasks?include=everything", 400, vec!["?include"]),
        ("/tasks?colour=red&status=open", 400, vec!["?colour"]),
        ("/tasks?as_of=1", 400, vec!["?as_of"]),
        ("/tasks?status=open&status=done", 400, vec!["?status"]),
        ("/tasks?q=%00", 422, vec!["?q"]),
        ("/tasks?q=%ff", 400, vec!["?q"]),
        ("/tasks/search", 400, vec!["?q"]),
        ("/tasks/search?q=", 422, vec!["?q"]),
        ("/tasks/search?q=%20", 422, vec!["?q"]),
        ("/tasks/search?q=%00", 422, vec!["?q"]),
        ("/tasks/search?q=a&sort=rank", 400, vec!["?sort"]),
        ("/tasks/search?q=a&include=total", 400, vec!["?include"]),
        ("/tasks/board?limit=1000", 400, vec!["?limit"]),
        ("/tasks/board?cursor=x", 400, vec!["?cursor"]),
        ("/tasks/statistics?days=0", 400, vec!["?days"]),
        ("/tasks/statistics?days=367", 400, vec!["?days"]),
        ("/labels?sort=name", 400, vec!["?sort"]),
        ("/labels?include=total", 400, vec!["?include"]),
        ("/auth/tokens?revoked=maybe", 400, vec!["?revoked"]),
        ("/activities?action_type=tasks.vanished", 400, vec!["?action_type"]),
        ("/activities?entity_type=planet&actor=nobody", 400, vec!["?entity_type", "?actor"]),
        ("/activities?entity_id=x", 400, vec!["?entity_id"]),
        ("/activities?at[gte]=yesterday", 400, vec!["?at[gte]"]),
        ("/activities?position=first", 400, vec!["?position"]),
        ("/activities?sort=at", 400, vec!["?sort"]),
        ("/activities/search", 400, vec!["?q"]),
        ("/activities/search?q=", 422, vec!["?q"]),
        ("/activities/search?q=a&include=total", 400, vec!["?include"]),
        ("/activities/recent?at[gte]=2026-11-22T20:28:00Z", 400, vec!["?at[gte]"]),
        ("/activities/export?limit=1", 400, vec!["?limit"]),
        ("/activities/export?cursor=x", 400, vec!["?cursor"]),
        ("/emails?folder=planet", 400, vec!["?folder"]),
        ("/emails?folder=INBOX", 400, vec!["?folder"]),
        ("/emails?folder=", 400, vec!["?folder"]),
        ("/emails?is_read=1&is_starred=yes", 400, vec!["?is_read", "?is_starred"]),
        ("/emails?is_archived=&has_attachments=2", 400, vec!["?is_archived", "?has_attachments"]),
        ("/emails?from=&to=%21%21", 400, vec!["?from", "?to"]),
        ("/emails?after=yesterday&before=2026-02-30", 400, vec!["?after", "?before"]),
        ("/emails?before=2026-11-22T20:28:00", 400, vec!["?before"]),
        ("/emails?thread=1", 400, vec!["?thread"]),
        ("/emails?language=german", 400, vec!["?language"]),
        ("/emails?language=DE", 400, vec!["?language"]),
        ("/emails?sort=subject", 400, vec!["?sort"]),
        ("/emails?sort=date,-date", 400, vec!["?sort"]),
        ("/emails?sort=relevance", 400, vec!["?sort"]),
        ("/emails?q=a&sort=-relevance", 400, vec!["?sort"]),
        ("/emails?q=a&sort=relevance,date", 400, vec!["?sort"]),
        ("/emails?sort=snoozed_until", 400, vec!["?sort"]),
        ("/emails?q=%00", 422, vec!["?q"]),
        ("/emails?label=%00", 422, vec!["?label"]),
        ("/emails?q=is:blue+before:x", 400, vec!["?q", "?q"]),
        ("/emails?cursor=x", 400, vec!["?cursor"]),
        ("/emails?limit=0&include=all", 400, vec!["?limit", "?include"]),
        ("/emails?label=a&label=b", 400, vec!["?label"]),
        ("/emails/trash?sort=trashed_at", 400, vec!["?sort"]),
        ("/emails/search", 400, vec!["?q"]),
        ("/emails/search?q=", 422, vec!["?q"]),
        ("/emails/search?q=%20", 422, vec!["?q"]),
        ("/emails/search?q=%00", 422, vec!["?q"]),
        ("/emails/threads?folder=x&unread=1", 400, vec!["?folder", "?unread"]),
        ("/emails/threads?sort=subject", 400, vec!["?sort"]),
        ("/emails/threads?include=total", 400, vec!["?include"]),
        ("/emails/folders?include=total", 400, vec!["?include"]),
        ("/emails/labels?include=total&limit=x", 400, vec!["?limit", "?include"]),
        ("/emails/drafts?status=gone", 400, vec!["?status"]),
        ("/emails/submissions?status=lost", 400, vec!["?status"]),
        ("/emails/attachments?limit=201", 400, vec!["?limit"]),
        ("/emails/0197f0a0-0000-7000-8000-000000000001?images=none", 400, vec!["?images"]),
    ] {
        let reply = world.get(ADA, path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(names(&reply.json()), expected, "{path}");
    }
}

#[tokio::test]
async fn values_at_the_edge_of_what_the_database_holds_are_fine() {
    let world = World::new().await.with_ada().await;
    for path in [
        "/tasks?due_date[gte]=0001-01-01&due_date[lte]=9999-12-31",
        "/tasks?due_date=0000-01-01",
        "/tasks?completed_at[lt]=9999-12-31T23:59:59.999999999Z",
        "/tasks?completed_at[gt]=0000-01-01T00:00:00-23:59",
        "/activities?position=-9223372036854775808",
        "/activities?position[lte]=9223372036854775807",
        "/tasks/statistics?days=366",
        "/emails?after=0000-01-01&before=9999-12-31",
        "/emails?after=9999-12-31T23:59:59.999999999Z&before=0000-01-01T00:00:00-23:59",
        "/emails?q=after:0001-01-01+before:9999-12-31",
        &format!("/emails?q={}", "x".repeat(500)),
        &format!("/emails?label={}", "x".repeat(5_000)),
        &format!("/emails?from={}", "x".repeat(320)),
        &format!("/tasks?q={}", "x".repeat(500)),
        &format!("/tasks?labels[in]={}", vec![Uuid::nil().to_string(); 100].join(",")),
    ] {
        assert_eq!(world.get(ADA, path).await.status, 200, "{path}");
    }
    assert_eq!(world.get(ADA, &format!("/tasks?q={}", "x".repeat(501))).await.status, 422);
    assert_eq!(world.get(ADA, &format!("/emails?q={}", "x".repeat(501))).await.status, 422);
    assert_eq!(world.get(ADA, &format!("/emails?from={}", "x".repeat(321))).await.status, 400);
}

#[tokio::test]
async fn no_path_knows_a_parameter_that_it_does_not_document() {
    let world = World::new().await.with_ada().await;
    world.task(1, |_| ()).await;
    for path in PATHS.iter().chain(&["/activities/export"]) {
        let path = path.replace("{id}", &task_id(1).to_string());
        let reply = world.get(ADA, &format!("{path}?colour=red")).await;
        assert_eq!((reply.status, names(&reply.json())), (400, vec!["?colour"]), "{path}");
    }
}

#[tokio::test]
async fn malformed_ids_are_404_and_static_segments_win_over_ids() {
    let world = World::new().await.with_ada().await;
    let ids = ["1", "null", "%00", "%ff", "..%2f", "0197f0a0000070008000000000000001", "trash2", "{id}"];
    for path in PATHS.iter().filter(|path| path.contains("{id}")) {
        for id in ids {
            let path = path.replace("{id}", &id.replace('{', "%7B").replace('}', "%7D"));
            let reply = world.get(ADA, &path).await;
            assert_eq!((reply.status, reply.json()["code"].as_str()), (404, Some("not_found")), "{path}");
        }
    }
    for path in
        ["/tasks/today", "/tasks/trash", "/tasks/board", "/tasks/statistics", "/activities/types", "/activities/recent"]
            .into_iter()
            .chain([
                "unread",
                "snoozed",
                "trash",
                "threads",
                "folders",
                "labels",
                "drafts",
                "submissions",
                "attachments",
            ])
    {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/emails/{path}") };
        let path = path.as_str();
        assert_eq!(world.get(ADA, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn another_users_objects_are_404_on_every_path_and_in_no_list() {
    let world = World::new().await.with_ada().await;
    let label = world.label(1, "mine").await;
    world.task(1, |task| "Buy milk".clone_into(&mut task.title)).await;
    world.task(2, |task| task.parent_id = Some(task_id(1))).await;
    let fact = world.get(ADA, "/activities?limit=1").await.ids()[0];
    for (path, id) in [
        ("/tasks/{id}", task_id(1).0),
        ("/tasks/{id}/subtasks", task_id(1).0),
        ("/task-lists/{id}", TODAY.0),
        ("/labels/{id}", label.0),
        ("/activities/{id}", fact),
    ] {
        let path = path.replace("{id}", &id.to_string());
        assert_eq!(world.get(ADA, &path).await.status, 200, "{path}");
        let reply = world.get(BOB, &path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (404, Some("not_found")), "{path}");
    }
    let ids = [task_id(1).0, task_id(2).0, TODAY.0, label.0, fact];
    for path in [
        format!("/tasks?list_id={BACKLOG}"),
        format!("/tasks?parent_id={}", task_id(1)),
        format!("/activities?entity_id={}", task_id(1)),
        "/tasks/search?q=milk".to_owned(),
        "/activities/search?q=milk".to_owned(),
        "/activities/export".to_owned(),
        "/tasks/board".to_owned(),
        "/tasks/statistics".to_owned(),
        "/task-lists".to_owned(),
        "/labels".to_owned(),
    ] {
        let reply = world.get(BOB, &path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(ids.iter().all(|id| !reply.text.contains(&id.to_string())), "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn nothing_is_read_without_a_valid_token() {
    let more = ["/activities/export", "/tasks/search?q=a", "/activities/search?q=a", "/emails/search?q=a"];
    let paths: Vec<&str> = PATHS.into_iter().chain(more).chain(["/emails/{id}/parts/1"]).collect();
    // Who sends very many tokens that nobody knows is refused otherwise: so a world for some of them.
    for paths in paths.chunks(25) {
        let world = World::new().await.with_ada().await;
        let token = world.token(ADA);
        let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
        for path in paths {
            let path = path.replace("{id}", &task_id(1).to_string());
            assert_eq!(world.send(&path, &[]).await.status, 401, "{path}");
            for bad in ["Bearer x", "Bearer ", "Basic YTpi", &format!("Bearer {unsigned}"), "Bearer orb_pat_unknown"] {
                let reply = world.send(&path, &[("authorization", bad)]).await;
                assert_eq!(reply.status, 401, "{path} {bad}");
                assert!(reply.header("www-authenticate").is_some());
            }
        }
    }
    let world = World::new().await.with_ada().await;
    let token = world.token(ADA);
    world.clock.advance(chrono::TimeDelta::hours(1));
    let expired = world.send("/tasks", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((expired.status, expired.json()["code"].as_str()), (401, Some("token_expired")));
}

#[tokio::test]
async fn only_reading_is_possible() {
    let world = World::new().await;
    let role: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&world.pool).await.unwrap();
    assert_eq!(role, "orbit_query");
    let write = sqlx::query("DELETE FROM tasks").execute(&world.pool).await.unwrap_err();
    assert!(write.to_string().contains("permission denied"), "{write}");
}
