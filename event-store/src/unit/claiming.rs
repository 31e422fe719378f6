//! Who holds what, as it will be once the unit is appended: what its streams let go of is free, what they take is theirs.

use orbit_domain::Claim;
use uuid::Uuid;

use super::{Contested, Unit};
use crate::{Fault, claims};

impl Unit {
    /// The stream that will hold a claim.
    pub async fn holder_then(&self, claim: &Claim) -> Result<Option<Uuid>, Fault> {
        let taken = |touched: &&super::Touched| touched.claims_now.contains(claim);
        if let Some(taker) = self.touched().iter().find(taken).map(|touched| touched.id) {
            return Ok(Some(taker));
        }
        let holder = self.holder(claim).await?;
        // Had it kept the claim, it would have been found above.
        Ok(holder.filter(|holder| self.is_untouched(*holder)))
    }

    /// Whether a stream of this unit, which held the claim with this scope and key, lets go of it.
    pub fn lets_go(&self, stream_id: Uuid, scope: &str, key: &[u8]) -> bool {
        let vault = self.0.store.vault();
        let touched = self.touched();
        let Some(touched) = touched.iter().find(|touched| touched.id == stream_id) else { return false };
        !touched.claims_now.iter().any(|claim| claim.scope == scope && claims::stored_key(claim, vault) == key)
    }

    /// What the unit's streams want that others hold, whom the append would refuse it for.
    pub async fn contested(&self) -> Result<Vec<Contested>, Fault> {
        let (mut wanted, mut scopes, mut keys) = (vec![], vec![], vec![]);
        for touched in self.touched().iter() {
            for claim in touched.claims_now.iter().filter(|claim| !touched.claims_before.contains(claim)) {
                wanted.push(Contested { stream_id: touched.id, scope: claim.scope });
                scopes.push(claim.scope.to_owned());
                keys.push(claims::stored_key(claim, self.0.store.vault()));
            }
        }
        let held = claims::held(self.0.store.pool(), &scopes, &keys).await?;
        let all = wanted.into_iter().zip(scopes).zip(keys);
        let contested = all.filter(|((_, scope), key)| {
            held.iter().any(|(held_scope, held)| {
                held_scope == scope && held.key == *key && !self.lets_go(held.stream_id, scope, key)
            })
        });
        Ok(contested.map(|((wanted, _), _)| wanted).collect())
    }
}
