//! Into the trash, out of it, and out of it for good.

use super::*;

#[test]
fn an_email_is_put_into_the_trash_once_and_taken_out_once() {
    an_email([]).when(Command::Trash).then([trashed()]).when(Command::Trash).then_nothing();
    an_email([trashed()])
        .when(Command::Restore(None))
        .then([Restored {}.into()])
        .when(Command::Restore(None))
        .then_nothing();
    an_email([]).when(Command::Move(place(4, Role::Trash))).then([trashed()]);
}

#[test]
fn what_came_in_as_trash_goes_to_the_given_folder_when_it_is_taken_out() {
    let from_trash = || given::<Email>([Received { place: place(4, Role::Trash), ..message() }.into(), trashed()]);
    from_trash()
        .when(Command::Restore(Some(inbox())))
        .then([Restored {}.into(), Moved { place: inbox() }.into()])
        .when(Command::Restore(Some(inbox())))
        .then_nothing();
    from_trash().when(Command::Restore(Some(place(4, Role::Trash)))).then([Restored {}.into()]);
}

#[test]
fn what_is_restored_is_where_it_was() {
    let state = an_email([Archived {}.into(), trashed(), Restored {}.into()]).then_state();
    assert_eq!(state.present().unwrap().role(), Role::Archive);
}

#[test]
fn only_what_is_in_the_trash_is_deleted() {
    an_email([]).when(Command::Delete).then_rejected(Rejection::NotInTrash);
    an_email([trashed()]).when(Command::Delete).then([Deleted {}.into()]).when(Command::Delete).then_nothing();
}

#[test]
fn in_the_trash_an_email_is_marked_and_nothing_else() {
    let until = Some(now() + TimeDelta::days(1));
    an_email([trashed()]).when(read(true)).then([Read {}.into()]);
    let commands = [
        Command::Archive,
        Command::Unarchive(None),
        Command::Move(place(5, Role::Other)),
        Command::Label(label("a")),
        Command::Unlabel(label("a")),
        Command::Snooze(until),
        Command::Edit(Edit { archived: Some(true), ..Edit::default() }),
    ];
    for command in commands {
        an_email([trashed()]).when(command).then_rejected(Rejection::InTrash);
    }
    let edit = Edit { read: Some(true), archived: Some(false), labels: Some(vec![]), starred: None };
    an_email([trashed()]).when(Command::Edit(edit)).then([Read {}.into()]);
}
