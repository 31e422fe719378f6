//! Sub-tasks: a tree at most five levels deep and never in a circle.

use orbit_events::TaskId;

use super::task::Rejection;

/// Most levels of sub-tasks below a task that is part of no other.
pub const MAX_DEPTH: usize = 5;

/// How the task that another is to become part of was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Present,
    /// It is in the trash.
    Deleted,
    /// It does not exist, or is somebody else's.
    Absent,
}

/// Where a task would stand in the tree. The caller reads it before the command: upwards from the states of the parent
/// and the tasks above it (those in the trash too), downwards from the claims `tasks.child`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The task that is to be nested.
    pub task: TaskId,
    /// The task that it is to be part of.
    pub parent: TaskId,
    /// How that was found.
    pub standing: Standing,
    /// The tasks above the parent, nearest first. [`MAX_DEPTH`] of them are enough to see that it is too deep.
    pub ancestors: Vec<TaskId>,
    /// Levels of sub-tasks below the task: 0 without any.
    pub height: usize,
}

impl Lineage {
    /// The parent, if the task may become part of it.
    pub fn check(&self) -> Result<TaskId, Rejection> {
        match self.standing {
            Standing::Absent => return Err(Rejection::ParentNotFound),
            Standing::Deleted => return Err(Rejection::ParentDeleted),
            Standing::Present => {}
        }
        if self.parent == self.task || self.ancestors.contains(&self.task) {
            return Err(Rejection::Circle);
        }
        // The parent itself is one level above the task.
        if self.ancestors.len() + 1 + self.height > MAX_DEPTH {
            return Err(Rejection::TooDeep);
        }
        Ok(self.parent)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> TaskId {
        TaskId(Uuid::from_u128(n))
    }

    fn lineage(task: u128, parent: u128, ancestors: &[u128], height: usize) -> Lineage {
        let ancestors = ancestors.iter().map(|n| id(*n)).collect();
        Lineage { task: id(task), parent: id(parent), standing: Standing::Present, ancestors, height }
    }

    #[test]
    fn five_levels_of_sub_tasks_are_allowed_and_a_sixth_is_not() {
        assert_eq!(lineage(9, 5, &[4, 3, 2, 1], 0).check(), Ok(id(5)));
        assert_eq!(lineage(9, 6, &[5, 4, 3, 2, 1], 0).check(), Err(Rejection::TooDeep));
    }

    #[test]
    fn what_hangs_below_a_task_counts_too() {
        assert_eq!(lineage(9, 1, &[], 4).check(), Ok(id(1)));
        assert_eq!(lineage(9, 1, &[], 5).check(), Err(Rejection::TooDeep));
        assert_eq!(lineage(9, 2, &[1], 4).check(), Err(Rejection::TooDeep));
    }

    #[test]
    fn a_task_is_never_part_of_itself() {
        assert_eq!(lineage(1, 1, &[], 0).check(), Err(Rejection::Circle));
        assert_eq!(lineage(1, 3, &[2, 1], 2).check(), Err(Rejection::Circle));
    }

    #[test]
    fn a_parent_has_to_be_there() {
        let absent = Lineage { standing: Standing::Absent, ..lineage(2, 1, &[], 0) };
        assert_eq!(absent.check(), Err(Rejection::ParentNotFound));
        let deleted = Lineage { standing: Standing::Deleted, ..lineage(2, 1, &[], 0) };
        assert_eq!(deleted.check(), Err(Rejection::ParentDeleted));
    }

    /// A small tree, kept as the caller of the command sees it.
    #[derive(Default)]
    struct Tree {
        parents: HashMap<TaskId, TaskId>,
    }

    impl Tree {
        fn above(&self, task: TaskId) -> Vec<TaskId> {
            std::iter::successors(self.parents.get(&task), |above| self.parents.get(above)).copied().take(99).collect()
        }

        fn height(&self, task: TaskId) -> usize {
            let children = self.parents.iter().filter(|(_, parent)| **parent == task);
            children.map(|(child, _)| 1 + self.height(*child)).max().unwrap_or(0)
        }
    }

    proptest! {
        #[test]
        fn whatever_is_nested_where_the_tree_stays_shallow_and_without_circles(
            moves in prop::collection::vec((0..12_u128, 0..12_u128), 0..200),
        ) {
            let mut tree = Tree::default();
            for (task, parent) in moves {
                let (task, parent) = (id(task), id(parent));
                let (ancestors, height) = (tree.above(parent), tree.height(task));
                let asked = Lineage { task, parent, standing: Standing::Present, ancestors, height };
                if asked.check().is_ok() {
                    tree.parents.insert(task, parent);
                }
                for task in (0..12).map(id) {
                    prop_assert!(tree.above(task).len() <= MAX_DEPTH);
                }
            }
        }
    }
}
