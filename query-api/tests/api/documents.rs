//! The `OpenAPI` document says what the routes do.

use orbit_platform::http::docs;

use crate::world::World;

#[tokio::test]
async fn every_route_is_in_the_document_with_its_headers_and_an_example() {
    let world = World::new().await;
    let document = docs::document(&world.openapi);
    let paths = document["paths"].as_object().unwrap();
    let mut all: Vec<&str> = paths.keys().map(String::as_str).collect();
    all.sort_unstable();
    insta::assert_json_snapshot!(all, @r#"
    [
      "/api/v1/activities",
      "/api/v1/activities/export",
      "/api/v1/activities/recent",
      "/api/v1/activities/search",
      "/api/v1/activities/types",
      "/api/v1/activities/{id}",
      "/api/v1/admin/projections",
      "/api/v1/admin/rebuilds",
      "/api/v1/admin/rebuilds/{id}",
      "/api/v1/audit/checkpoint",
      "/api/v1/audit/proof/consistency",
      "/api/v1/audit/proof/inclusion",
      "/api/v1/auth/devices",
      "/api/v1/auth/devices/{id}/history",
      "/api/v1/auth/me",
      "/api/v1/auth/me/exports",
      "/api/v1/auth/me/exports/{id}",
      "/api/v1/auth/me/exports/{id}/download",
      "/api/v1/auth/me/history",
      "/api/v1/auth/tokens",
      "/api/v1/auth/tokens/{id}",
      "/api/v1/auth/tokens/{id}/history",
      "/api/v1/connections",
      "/api/v1/connections/{id}",
      "/api/v1/connections/{id}/history",
      "/api/v1/emails",
      "/api/v1/emails/attachments",
      "/api/v1/emails/attachments/{id}",
      "/api/v1/emails/attachments/{id}/history",
      "/api/v1/emails/drafts",
      "/api/v1/emails/drafts/{id}",
      "/api/v1/emails/drafts/{id}/history",
      "/api/v1/emails/folders",
      "/api/v1/emails/folders/{id}",
      "/api/v1/emails/folders/{id}/history",
      "/api/v1/emails/imports",
      "/api/v1/emails/imports/{id}",
      "/api/v1/emails/labels",
      "/api/v1/emails/search",
      "/api/v1/emails/snoozed",
      "/api/v1/emails/submissions",
      "/api/v1/emails/submissions/{id}",
      "/api/v1/emails/submissions/{id}/history",
      "/api/v1/emails/thread-decisions/{id}/history",
      "/api/v1/emails/threads",
      "/api/v1/emails/threads/{id}",
      "/api/v1/emails/trash",
      "/api/v1/emails/unread",
      "/api/v1/emails/{id}",
      "/api/v1/emails/{id}/attachments/{n}",
      "/api/v1/emails/{id}/history",
      "/api/v1/emails/{id}/parts/{path}",
      "/api/v1/emails/{id}/raw",
      "/api/v1/events/stream",
      "/api/v1/history",
      "/api/v1/history/{id}",
      "/api/v1/labels",
      "/api/v1/labels/{id}",
      "/api/v1/labels/{id}/history",
      "/api/v1/task-lists",
      "/api/v1/task-lists/{id}",
      "/api/v1/task-lists/{id}/history",
      "/api/v1/tasks",
      "/api/v1/tasks/board",
      "/api/v1/tasks/search",
      "/api/v1/tasks/statistics",
      "/api/v1/tasks/today",
      "/api/v1/tasks/trash",
      "/api/v1/tasks/{id}",
      "/api/v1/tasks/{id}/history",
      "/api/v1/tasks/{id}/subtasks"
    ]
    "#);
    for (path, item) in paths {
        let operation = &item["get"];
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{path}");
        assert!(operation["operationId"].is_string(), "{path}");
        assert!(operation["summary"].is_string() || operation["description"].is_string(), "{path}");
        let good = &operation["responses"]["200"];
        assert!(good["headers"]["Orbit-As-Of"].is_object(), "{path}");
        let content = good["content"].as_object().unwrap().values().next().unwrap();
        assert!(content["schema"].is_object(), "{path}");
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(parameter["description"].is_string(), "{path}: {parameter}");
            let needed = parameter["in"] == "path"
                || parameter["name"] == "q" && path.ends_with("/search")
                || ["position", "from"].iter().any(|name| parameter["name"] == *name) && path.contains("/proof/");
            assert_eq!(parameter["required"].as_bool().unwrap_or(false), needed, "{path}: {parameter}");
        }
    }
}

#[tokio::test]
async fn every_operator_of_a_filter_is_in_the_document() {
    let world = World::new().await;
    let document = docs::document(&world.openapi);
    let parameters = |path: &str| -> Vec<String> {
        let all = document["paths"][format!("/api/v1{path}")]["get"]["parameters"].as_array().unwrap();
        all.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    for path in ["/tasks", "/tasks/today", "/tasks/trash", "/tasks/{id}/subtasks"] {
        let known = parameters(path);
        for name in ["status[ne]", "labels[null]", "label", "priority[gte]", "completed_at[lt]", "created_at[lte]", "q"]
        {
            assert!(known.contains(&name.to_owned()), "{path}: {name}");
        }
        assert!(!known.contains(&"status[gt]".to_owned()) && !known.contains(&"label[in]".to_owned()));
    }
    for path in ["/activities", "/activities/recent", "/activities/export"] {
        let known = parameters(path);
        for name in ["action_type[ne]", "entity_id[in]", "actor[null]", "position[gt]"] {
            assert!(known.contains(&name.to_owned()), "{path}: {name}");
        }
        assert_eq!(known.contains(&"at[lte]".to_owned()), path != "/activities/recent", "{path}");
    }
    let status = document["paths"]["/api/v1/tasks"]["get"]["parameters"][0].clone();
    insta::assert_json_snapshot!(status, @r#"
    {
      "description": "Where it stands",
      "in": "query",
      "name": "status",
      "required": false,
      "schema": {
        "enum": [
          "backlog",
          "open",
          "in_progress",
          "waiting",
          "done",
          "pending",
          "dismissed"
        ],
        "type": "string"
      }
    }
    "#);
}

#[tokio::test]
async fn every_body_has_an_example_of_its_own_or_of_its_rows() {
    let world = World::new().await;
    let document = docs::document(&world.openapi);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let simple = schema["enum"].is_array();
        let page = name.starts_with("Page_");
        assert!(simple || page || schema.get("example").is_some(), "{name}: {schema}");
    }
}
