//! What a sync saw becomes so, and no more than that.

use super::*;

fn observe(observed: Observed) -> Command {
    Command::Observe(observed)
}

fn at(place: Where) -> Command {
    observe(Observed { place: Some(place), ..Observed::default() })
}

#[test]
fn exactly_what_differs_becomes_so() {
    let seen = Observed {
        read: Some(true),
        starred: Some(false),
        labels: Some(vec![label("b")]),
        place: Some(place(5, Role::Other)),
        gone: false,
    };
    an_email([labelled("a")])
        .when(observe(seen.clone()))
        .then([
            Read {}.into(),
            Unlabelled { label: "a".into() }.into(),
            labelled("b"),
            Moved { place: place(5, Role::Other) }.into(),
        ])
        .when(observe(seen))
        .then_nothing();
    an_email([]).when(observe(Observed::default())).then_nothing();
}

#[test]
fn in_a_folder_for_trash_or_the_archive_it_is_marked_and_not_moved() {
    an_email([]).when(at(place(4, Role::Trash))).then([trashed()]).when(at(place(4, Role::Trash))).then_nothing();
    an_email([]).when(at(place(3, Role::Archive))).then([Archived {}.into()]);
    an_email([trashed()]).when(at(place(3, Role::Archive))).then([Restored {}.into(), Archived {}.into()]);
}

#[test]
fn back_in_a_folder_it_is_in_no_trash_and_no_archive() {
    an_email([trashed()]).when(at(inbox())).then([Restored {}.into()]);
    an_email([Archived {}.into()]).when(at(inbox())).then([Unarchived {}.into()]);
    let other = place(5, Role::Other);
    an_email([Archived {}.into(), trashed()]).when(at(other)).then([
        Restored {}.into(),
        Unarchived {}.into(),
        Moved { place: other }.into(),
    ]);
}

#[test]
fn what_is_gone_is_deleted_and_was_in_the_trash() {
    let gone = || observe(Observed { gone: true, ..Observed::default() });
    an_email([]).when(gone()).then(deleted()).when(gone()).then_nothing();
    an_email([trashed()]).when(gone()).then([Deleted {}.into()]);
    given::<Email>([]).when(gone()).then_rejected(Rejection::NotFound);
}

#[test]
fn labels_beyond_the_limit_are_left_out() {
    let many = (0..60).map(|n| label(&format!("l{n:02}"))).collect();
    let outcome = an_email([]).when(observe(Observed { labels: Some(many), ..Observed::default() }));
    let state = outcome.then((0..50).map(|n| labelled(&format!("l{n:02}")))).then_state();
    assert_eq!(state.present().unwrap().labels.len(), MAX_LABELS);
}
