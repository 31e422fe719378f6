//! Union-find that knows the smallest of each component.

use std::{collections::HashMap, hash::Hash};

/// Components of things that are united two by two. Each is represented by its smallest.
#[derive(Debug, Clone)]
pub struct Union<K> {
    places: HashMap<K, usize>,
    nodes: Vec<Component<K>>,
}

#[derive(Debug, Clone)]
struct Component<K> {
    /// Itself, at a component's root.
    parent: usize,
    /// How many there are below a root.
    size: usize,
    /// The smallest below a root.
    least: K,
}

impl<K: Copy + Ord + Hash> Default for Union<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Ord + Hash> Union<K> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { places: HashMap::new(), nodes: vec![] }
    }

    /// It is there, alone if it was not yet.
    pub fn add(&mut self, key: K) {
        self.place(key);
    }

    /// The two are in one component.
    pub fn unite(&mut self, one: K, other: K) {
        let (one, other) = (self.place(one), self.place(other));
        let (one, other) = (self.shorten(one), self.shorten(other));
        if one == other {
            return;
        }
        let (small, large) = if self.nodes[one].size < self.nodes[other].size { (one, other) } else { (other, one) };
        self.nodes[small].parent = large;
        self.nodes[large].size += self.nodes[small].size;
        self.nodes[large].least = self.nodes[large].least.min(self.nodes[small].least);
    }

    /// The smallest that is in one component with this; `None` if it is not there.
    pub fn least(&self, key: &K) -> Option<K> {
        let mut place = *self.places.get(key)?;
        while self.nodes[place].parent != place {
            place = self.nodes[place].parent;
        }
        Some(self.nodes[place].least)
    }

    fn place(&mut self, key: K) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            let place = self.nodes.len();
            self.nodes.push(Component { parent: place, size: 1, least: key });
            place
        })
    }

    /// The root; on the way there, everything comes half as far from it.
    fn shorten(&mut self, mut place: usize) -> usize {
        while self.nodes[place].parent != place {
            self.nodes[place].parent = self.nodes[self.nodes[place].parent].parent;
            place = self.nodes[place].parent;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_represents_its_component() {
        let mut union = Union::new();
        union.unite(5, 3);
        union.unite(9, 8);
        union.add(1);
        assert_eq!([5, 3, 9, 8, 1].map(|key| union.least(&key)), [3, 3, 8, 8, 1].map(Some));
        union.unite(9, 5);
        union.unite(5, 9);
        assert_eq!([5, 3, 9, 8, 1].map(|key| union.least(&key)), [3, 3, 3, 3, 1].map(Some));
        assert_eq!(union.least(&7), None);
    }
}
