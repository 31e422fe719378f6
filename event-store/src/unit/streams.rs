//! The streams of a unit of work in the order in which they were touched, found by id, and what they have come to hold.
//!
//! Most units touch a handful, which is looked through faster than any map; a tree of thousands of tasks is not.

use std::collections::HashMap;

use orbit_domain::Claim;
use uuid::Uuid;

use super::Touched;

/// Streams that are looked through one by one. From there on there is an index.
const FEW: usize = 16;

/// The streams of a unit of work.
#[derive(Default)]
pub(super) struct Streams {
    list: Vec<Touched>,
    places: HashMap<Uuid, usize>,
    taken: HashMap<Claim, Uuid>,
}

impl Streams {
    /// The stream, if it was touched.
    pub fn get(&self, id: Uuid) -> Option<&Touched> {
        self.place(id).and_then(|place| self.list.get(place))
    }

    /// The stream, if it was touched.
    pub fn get_mut(&mut self, id: Uuid) -> Option<&mut Touched> {
        self.place(id).and_then(|place| self.list.get_mut(place))
    }

    /// Adds a stream, unless somebody was faster.
    pub fn add(&mut self, touched: Touched) {
        if self.get(touched.id).is_some() {
            return;
        }
        self.list.push(touched);
        if self.list.len() > FEW {
            // All of them the first time, the new one from then on.
            for place in self.places.len()..self.list.len() {
                self.places.insert(self.list[place].id, place);
            }
        }
    }

    /// What a stream holds from now on.
    pub fn hold(&mut self, id: Uuid, claims: Vec<Claim>) {
        let Some(place) = self.place(id) else { return };
        let touched = &mut self.list[place];
        for gone in touched.claims_now.iter().filter(|claim| !claims.contains(claim)) {
            if self.taken.get(gone) == Some(&id) {
                self.taken.remove(gone);
            }
        }
        for new in claims.iter().filter(|claim| !touched.claims_before.contains(claim)) {
            self.taken.insert(new.clone(), id);
        }
        touched.claims_now = claims;
    }

    /// The stream that takes a claim which it did not hold before.
    pub fn taker(&self, claim: &Claim) -> Option<Uuid> {
        self.taken.get(claim).copied()
    }

    /// In the order in which they were touched.
    pub fn iter(&self) -> std::slice::Iter<'_, Touched> {
        self.list.iter()
    }

    /// In the order in which they were touched.
    pub fn into_list(self) -> Vec<Touched> {
        self.list
    }

    fn place(&self, id: Uuid) -> Option<usize> {
        if self.list.len() <= FEW {
            return self.list.iter().position(|touched| touched.id == id);
        }
        self.places.get(&id).copied()
    }
}
