//! Tests of the query parameters.

use serde_json::json;

use super::*;

fn key() -> CursorKey {
    CursorKey::derive(b"secret")
}

fn fault(query: Query) -> (u16, &'static str, Vec<String>) {
    let error = query.finish().unwrap_err();
    (error.status().as_u16(), error.code(), error.fields().iter().map(|field| field.pointer.clone()).collect())
}

#[test]
fn what_nobody_read_is_named() {
    let mut query = Query::parse("/tasks", "limit=5&colour=red&status[like]=x");
    let sort = query.sort(&["created_at"], "created_at");
    assert_eq!(query.page(&key(), &sort).limit, 5);
    assert_eq!(fault(query), (400, "invalid_query", vec!["?colour".to_owned(), "?status[like]".to_owned()]));
}

#[test]
fn limits_lie_between_1_and_200() {
    for (text, limit) in
        [("1", Some(1)), ("200", Some(200)), ("0", None), ("201", None), ("-1", None), ("x", None), ("", None)]
    {
        let mut query = Query::parse("/tasks", &format!("limit={text}"));
        let sort = query.sort(&["created_at"], "created_at");
        let page = query.page(&key(), &sort);
        assert_eq!(query.finish().ok().map(|()| page.limit), limit, "{text}");
    }
}

#[test]
fn filters_read_their_operators_and_refuse_others() {
    let mut query =
        Query::parse("/tasks", "due[gte]=2026-11-22&due[lt]=2026-12-01&due[null]=false&status[in]=open,done&list=a");
    let due = query.filter("due", Ops::Order, date);
    let status = query.filter("status", Ops::Equality, any);
    let list = query.filter("list", Ops::Equal, any);
    query.finish().unwrap();
    assert_eq!(
        (due.gte.unwrap().to_string(), due.lt.unwrap().to_string(), due.null),
        ("2026-11-22".into(), "2026-12-01".into(), Some(false))
    );
    assert_eq!(status.one_of.unwrap(), ["open", "done"]);
    assert_eq!(list.eq.as_deref(), Some("a"));

    let mut query = Query::parse("/tasks", "due[gte]=tomorrow&status[gt]=open&list[ne]=a&due=2026-1-1");
    query.filter("due", Ops::Order, date);
    query.filter("status", Ops::Equality, any);
    query.filter("list", Ops::Equal, any);
    let expected = ["?due", "?due[gte]", "?status[gt]", "?list[ne]"].map(str::to_owned);
    assert_eq!(fault(query), (400, "invalid_query", expected.to_vec()));
}

#[test]
fn repeated_and_garbled_parameters_are_faults() {
    let mut query = Query::parse("/tasks", "a=1&a=2&b=%ff&c=%0&d=x+y%21");
    query.text("a");
    assert_eq!(query.text("d").as_deref(), Some("x y!"));
    assert_eq!(fault(query), (400, "invalid_query", ["?b", "?c", "?a"].map(str::to_owned).to_vec()));
}

#[test]
fn nul_and_length_alone_are_a_422() {
    let mut query = Query::parse("/tasks", "q=%00");
    query.search();
    assert_eq!(fault(query), (422, "validation_failed", vec!["?q".to_owned()]));
    let mut query = Query::parse("/tasks", &format!("q={}", "x".repeat(501)));
    query.search();
    assert_eq!(fault(query).0, 422);
}

#[test]
fn flags_moments_and_totals_are_read() {
    let mut query = Query::parse("/tasks", "dry_run=true&as_of=4711&include=total");
    assert!(query.dry_run());
    assert_eq!(query.as_of(), Some(AsOf::Position(4711)));
    let sort = query.sort(&["created_at"], "-created_at");
    assert!(query.page(&key(), &sort).include_total);
    query.finish().unwrap();
    let as_of = |text: &str| Query::parse("/", &format!("as_of={text}")).as_of();
    assert!(matches!(as_of("2026-11-22T20:28:00Z"), Some(AsOf::Time(_))));
    for bad in ["yesterday", "-1", "", "99999999999999999999"] {
        assert_eq!(as_of(bad), None, "{bad}");
    }
}

#[test]
fn a_cursor_goes_on_with_the_same_question_only() {
    let page = |text: &str| {
        let mut query = Query::parse("/tasks", text);
        query.filter("status", Ops::Equality, any);
        query.filter("list", Ops::Equality, any);
        let sort = query.sort(&["due", "created_at"], "created_at");
        let page = query.page(&key(), &sort);
        query.finish().map(|()| page).map_err(|error| error.code())
    };
    let first = page("status=open&list=a&limit=2").unwrap();
    let answer = first.page(vec![1, 2, 3], None, |row| vec![json!(row), json!("id")]);
    assert!(answer.has_more);
    assert_eq!(answer.data, [1, 2]);
    let cursor = answer.next_cursor.unwrap();
    let next = page(&format!("list=a&status=open&limit=7&include=total&cursor={cursor}")).unwrap();
    assert_eq!(next.after.unwrap().get::<i64>(0).unwrap(), 2);
    assert_eq!(page(&format!("status=done&list=a&cursor={cursor}")).unwrap_err(), "cursor_mismatch");
    assert_eq!(page(&format!("status=open&list=a&sort=due&cursor={cursor}")).unwrap_err(), "cursor_mismatch");
    assert_eq!(page("status=open&cursor=garbage").unwrap_err(), "invalid_cursor");
    let last = first.page(vec![1, 2], Some(2), |row| vec![json!(row)]);
    assert!(!last.has_more && last.next_cursor.is_none() && last.total == Some(2));
}
