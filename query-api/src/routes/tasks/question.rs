//! Lists of tasks: what can be asked for, and the statement that asks. All lists of tasks are questions of this kind.

use chrono::NaiveDate;
use orbit_platform::{
    http::{
        cursor::CursorKey,
        page::{Page, PageRequest},
        query::{self, Ops, Query},
    },
    problem::ApiError,
};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use super::view::{AUTHORS, COLUMNS, PRIORITIES, PROGRESS, Row, STATUSES, Task, WIDTH, priority_number};
use crate::{
    answer::Snapshot,
    reader::Whose,
    routes::{
        conditions::{Kind, Order, Place, SortColumn, Sql},
        filters::{FilterColumn, Filters, Holds, column},
        words,
    },
};

/// What tasks can be sorted by.
pub const SORTS: [SortColumn; 6] = [
    SortColumn { name: "created_at", sql: "created_at", kind: Kind::Time, nullable: false },
    SortColumn { name: "updated_at", sql: "updated_at", kind: Kind::Time, nullable: false },
    SortColumn { name: "due_date", sql: "due_date", kind: Kind::Date, nullable: true },
    SortColumn { name: "priority", sql: "priority", kind: Kind::Number, nullable: false },
    SortColumn { name: "title", sql: "title", kind: Kind::Text, nullable: false },
    SortColumn { name: "position", sql: "position", kind: Kind::Text, nullable: false },
];
const DELETED_AT: SortColumn = SortColumn { name: "deleted_at", sql: "deleted_at", kind: Kind::Time, nullable: false };

/// What tasks can be filtered by, beside their words.
pub const FILTERS: [FilterColumn; 11] = [
    column("status", "t.status", Ops::Equality, Holds::Name(&STATUSES), "Where it stands"),
    column("list_id", "t.list_id", Ops::Equality, Holds::Id, "The list it stands in"),
    column("parent_id", "t.parent_id", Ops::Equality, Holds::Id, "The task it is part of"),
    column("label", "t.labels", Ops::Equal, Holds::Ids, "A label that it carries"),
    column("labels", "t.labels", Ops::Equality, Holds::Ids, "A label that it carries"),
    column("priority", "t.priority", Ops::Order, Holds::Rank(&PRIORITIES), "How much it matters"),
    column("due_date", "t.due_date", Ops::Order, Holds::Date, "The day by which it is to be done"),
    column("completed_at", "t.completed_at", Ops::Order, Holds::Time, "When it was done"),
    column("created_by", "t.created_by", Ops::Equality, Holds::Name(&AUTHORS), "Who wrote it down"),
    column("created_at", "t.created_at", Ops::Order, Holds::Time, "When it was written down"),
    column("updated_at", "t.updated_at", Ops::Order, Holds::Time, "When it last changed"),
];

/// Which tasks a list is about, whatever its filters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// All that are not in the trash.
    Present,
    /// Those in the trash.
    Trash,
    /// The sub-tasks of this one that are not in the trash. The parent may be.
    SubTasksOf(Uuid),
    /// Due on this day, or in a list that is called Today; neither done nor dismissed, nor in the trash.
    Today(NaiveDate),
}

/// A list of tasks.
#[derive(Clone, Debug)]
pub struct Question {
    about: About,
    filters: Filters,
    words: Option<String>,
    order: Order,
    after: Option<Place>,
    sort: query::Sort,
    page: PageRequest,
}

impl Question {
    /// Reads the parameters of a list and refuses all others.
    pub fn read(mut query: Query, about: About, cursors: &CursorKey) -> Result<Self, ApiError> {
        let filters = Filters::read(&mut query, &FILTERS);
        let words = query.search();
        let columns: Vec<SortColumn> = SORTS.into_iter().chain((about == About::Trash).then_some(DELETED_AT)).collect();
        let names: Vec<&'static str> = columns.iter().map(|column| column.name).collect();
        let default = match about {
            About::Present => "-created_at",
            About::Trash => "-deleted_at",
            About::SubTasksOf(_) => "position",
            About::Today(_) => "-priority,created_at",
        };
        let sort = query.sort(&names, default);
        let page = query.page(cursors, &sort);
        query.finish()?;
        let order = Order::of(&sort, &columns);
        let after = page.after.as_ref().map(|after| order.place(after)).transpose()?;
        Ok(Self { about, filters, words, order, after, sort, page })
    }

    /// The statement, with its parameters.
    pub fn statement(&self, whose: Whose) -> Sql {
        // The snapshot: how far the projection is, how many there are on all pages, whether there is such a parent.
        let mut sql = Sql::new("SELECT ");
        sql.push(COLUMNS);
        sql.push(", c.all_pages, c.parent_known FROM (SELECT coalesce((SELECT k.position FROM checkpoints k");
        sql.push(" WHERE k.projection = 'tasks' AND k.partition = ").push_bind(whose.partition);
        // Bound here, so that the user is $2 as PROGRESS has it.
        sql.push("), 0) AS as_of, ").push_bind(whose.user_id).push("::uuid AS user_id");
        if self.page.include_total {
            sql.push(", (SELECT count(*) FROM tasks t WHERE t.user_id = $2");
            self.push_conditions(&mut sql);
            sql.push(") AS all_pages");
        } else {
            sql.push(", NULL::bigint AS all_pages");
        }
        if let About::SubTasksOf(parent) = self.about {
            sql.push(", EXISTS (SELECT FROM tasks t WHERE t.user_id = $2 AND t.id = ").push_bind(parent);
            sql.push(") AS parent_known");
        } else {
            sql.push(", true AS parent_known");
        }
        sql.push(
            ") c LEFT JOIN LATERAL (SELECT t.id, t.list_id, t.parent_id, t.title, t.description, t.priority, t.status,",
        );
        sql.push(" t.due_date, t.completed_at, t.position, t.labels, t.created_by, t.extracted_from_type,");
        sql.push(" t.extracted_from_id, t.dismiss_reason, t.deleted_at, t.created_at, t.updated_at, t.version");
        sql.push(" FROM tasks t WHERE t.user_id = $2");
        self.push_conditions(&mut sql);
        if let Some(place) = &self.after {
            self.order.push_after(&mut sql, "t", place);
        }
        self.order.push(&mut sql, "t");
        // Written, not bound: a limit that is not known when the statement is planned counts as a tenth of the rows, which
        // makes the plan that could be kept look so dear that each request is planned anew.
        sql.push(" LIMIT ").push(self.page.fetch()).push(") t ON true");
        sql.push(PROGRESS);
        self.order.push(&mut sql, "t");
        sql
    }

    fn push_conditions(&self, sql: &mut Sql) {
        match self.about {
            About::Present => sql.push(" AND t.deleted_at IS NULL"),
            About::Trash => sql.push(" AND t.deleted_at IS NOT NULL"),
            About::SubTasksOf(parent) => sql.push(" AND t.deleted_at IS NULL AND t.parent_id = ").push_bind(parent),
            About::Today(day) => sql
                .push(" AND t.deleted_at IS NULL AND t.status NOT IN ('done', 'dismissed') AND (t.due_date = ")
                .push_bind(day)
                .push(" OR t.list_id IN (SELECT l.id FROM task_lists l")
                .push(" WHERE l.user_id = $2 AND lower(l.name) = 'today'))"),
        };
        self.filters.push(sql);
        if let Some(words) = &self.words {
            sql.push(" AND t.words @@ ");
            words::push_matching(sql, words);
        }
    }

    /// Makes the page of the rows that the statement gave. `None`: there is no such parent.
    fn page(&self, tasks: Vec<Task>, total: Option<i64>) -> Page<Task> {
        self.page.page(tasks, total, |task| {
            let values = self.sort.keys.iter().map(|key| sort_value(task, key.column));
            values.chain([json!(task.id)]).collect()
        })
    }
}

/// What the cursor remembers of the last task of a page.
fn sort_value(task: &Task, column: &str) -> Value {
    match column {
        "created_at" => json!(task.created_at),
        "updated_at" => json!(task.updated_at),
        "deleted_at" => json!(task.deleted_at),
        "due_date" => json!(task.due_date),
        "priority" => json!(priority_number(task.priority)),
        "title" => json!(task.title),
        _ => json!(task.position),
    }
}

/// The page that a question asks for; none if it is about the sub-tasks of nothing.
pub async fn list(
    db: &mut PgConnection,
    whose: Whose,
    question: &Question,
) -> sqlx::Result<Snapshot<Option<Page<Task>>>> {
    let rows = question.statement(whose).build().fetch_all(db).await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let (as_of, total, known): (_, _, bool) = (first.try_get(0)?, first.try_get(WIDTH)?, first.try_get(WIDTH + 1)?);
    let tasks = rows.iter().filter_map(|row| Row::from_row(row).map(Row::task).transpose());
    let tasks = tasks.collect::<sqlx::Result<Vec<Task>>>()?;
    Ok(Snapshot { as_of, body: known.then(|| question.page(tasks, total)) })
}
