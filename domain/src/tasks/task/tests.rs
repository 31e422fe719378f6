//! Rules of tasks, as sentences.

use orbit_events::{
    Actor,
    tasks::task::{
        Completed, Created, Described, Dismissed, Labelled, Moved, Nested, Prioritised, Retitled, Scheduled,
        StatusChanged, Unlabelled,
    },
};
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, context, given, now, stream, user},
    laws::{laws, parsed},
    tasks::{order::at_end, tree::Standing},
};

mod claims;
mod creating;
mod editing;
mod labelling;
mod nesting;
mod setting_back;
mod standing;
mod the_trash;

fn list(n: u128) -> ListId {
    ListId(Uuid::from_u128(n))
}

fn task(n: u128) -> TaskId {
    TaskId(Uuid::from_u128(n))
}

fn label(n: u128) -> LabelId {
    LabelId(Uuid::from_u128(n))
}

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn description(text: &str) -> Description {
    Description::parse(text).unwrap()
}

/// Somewhere in a list.
fn place(n: u128) -> Place {
    Place { list_id: list(n), slot: Slot::anywhere(now(), 0) }
}

/// Below a task that is there.
fn below(parent: u128) -> Lineage {
    Lineage { task: TaskId(stream()), parent: task(parent), standing: Standing::Present, ancestors: vec![], height: 0 }
}

fn new(text: &str) -> Create {
    Create {
        place: place(1),
        lineage: None,
        title: title(text),
        description: None,
        priority: None,
        status: None,
        due_date: None,
        labels: vec![],
        extracted_from: None,
    }
}

fn created() -> Created {
    Created {
        list_id: list(1),
        parent_id: None,
        title: "Buy milk".into(),
        description: None,
        priority: Priority::Medium,
        status: Status::Open,
        due_date: None,
        position: at_end(now(), 0),
        labels: vec![],
        created_by: Author::User,
        extracted_from: None,
    }
}

fn completed() -> Event {
    Completed { completed_at: now() }.into()
}

fn dismissed() -> Event {
    Dismissed { reason: None }.into()
}

fn deleted() -> Event {
    Deleted { deleted_at: now() }.into()
}

fn standing(status: Status) -> Event {
    StatusChanged { status }.into()
}

fn labelled(n: u128) -> Event {
    Labelled { label_id: label(n) }.into()
}

/// A task and what happened to it since it was created.
fn a_task(since: impl IntoIterator<Item = Event>) -> Given<Task> {
    given(std::iter::once(created().into()).chain(since))
}

fn edit(edit: Edit) -> Command {
    Command::Edit(edit)
}

fn set_status(status: Status) -> Command {
    edit(Edit { status: Some(status), ..Edit::default() })
}

fn set_labels(labels: impl IntoIterator<Item = u128>) -> Command {
    edit(Edit { labels: Some(labels.into_iter().map(label).collect()), ..Edit::default() })
}

fn nest(lineage: Option<Lineage>) -> Command {
    edit(Edit { parent: Some(lineage), ..Edit::default() })
}

const DISMISS: Command = Command::Dismiss { reason: None };

fn restore() -> Command {
    Command::Restore(Restore::default())
}

/// Every command but those that create or restore.
fn all_others() -> Vec<Command> {
    vec![
        edit(Edit::default()),
        set_status(Status::Done),
        Command::Label(label(1)),
        Command::Unlabel(label(1)),
        Command::Complete,
        Command::Reopen,
        DISMISS,
    ]
}

fn any_status() -> impl Strategy<Value = Status> + Clone {
    prop::sample::select(crate::tasks::STATUSES.map(|(_, status)| status).to_vec())
}

fn any_lineage() -> impl Strategy<Value = Lineage> + Clone {
    let standing =
        prop::sample::select(vec![Standing::Present, Standing::Present, Standing::Deleted, Standing::Absent]);
    let ancestors = prop::collection::vec((0..6_u128).prop_map(task), 0..6);
    (0..6_u128, standing, ancestors, 0..6_usize).prop_map(|(parent, standing, ancestors, height)| Lineage {
        standing,
        ancestors,
        height,
        ..below(parent)
    })
}

fn any_place() -> impl Strategy<Value = Place> + Clone {
    (1..4_u128, any::<Option<u32>>()).prop_map(|(n, jitter)| match jitter {
        None => place(n),
        Some(jitter) => Place { list_id: list(n), slot: Slot::between(Some("A"), Some("z"), now(), jitter).unwrap() },
    })
}

fn any_labels() -> impl Strategy<Value = Vec<LabelId>> + Clone {
    prop::collection::vec((0..60_u128).prop_map(label), 0..60)
}

fn any_create() -> impl Strategy<Value = Create> {
    let words = (parsed(Title::parse), prop::option::of(parsed(Description::parse)));
    let standing = (prop::option::of(any_status()), prop::option::of(any_lineage()), any_place(), any_labels());
    (words, standing).prop_map(|((title, description), (status, lineage, place, labels))| Create {
        place,
        lineage,
        title,
        description,
        status,
        labels,
        ..new("x")
    })
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let words =
        (prop::option::of(parsed(Title::parse)), prop::option::of(prop::option::of(parsed(Description::parse))));
    let standing = (prop::option::of(any_status()), prop::option::of(any_place()));
    let ties = (prop::option::of(prop::option::of(any_lineage())), prop::option::of(any_labels()));
    (words, standing, ties).prop_map(|((title, description), (status, place), (parent, labels))| Edit {
        title,
        description,
        priority: Some(Priority::High),
        status,
        due_date: None,
        place,
        parent,
        labels,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let restore = (prop::option::of(any_place()), prop::option::of(any_lineage()))
        .prop_map(|(place, lineage)| Command::Restore(Restore { place, lineage }));
    let earlier = (any_create(), any::<bool>()).prop_map(|(create, trashed)| {
        let facts = Task::decide(&State::Absent, Command::Create(create), &context()).unwrap_or_default();
        let state = facts.iter().fold(State::Absent, Task::evolve);
        let mut fields = Task::fields(&state);
        if trashed && !fields.is_empty() {
            fields.insert("deleted_at", serde_json::json!(now()));
        }
        set_back(&fields)
    });
    prop_oneof![
        3 => earlier,
        4 => any_create().prop_map(Command::Create),
        8 => any_edit().prop_map(Command::Edit),
        2 => (0..60_u128).prop_map(|n| Command::Label(label(n))),
        2 => (0..60_u128).prop_map(|n| Command::Unlabel(label(n))),
        2 => Just(Command::Complete),
        2 => Just(Command::Reopen),
        2 => prop::option::of(parsed(Reason::parse)).prop_map(|reason| Command::Dismiss { reason }),
        1 => Just(Command::Delete),
        2 => restore,
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    if fields.is_empty() {
        return Command::Delete;
    }
    let to = Present::from_fields(fields).unwrap();
    let lineage = to.parent_id.map(|parent| Lineage { parent, ..below(0) });
    Command::SetBack(Box::new(SetBack { to, lineage }))
}

laws!(Task, command(), absent: State::Absent, set_back: set_back);
