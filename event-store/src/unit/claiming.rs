//! Who holds what, as it will be once the unit is appended: what its streams let go of is free, what they take is theirs.

use orbit_domain::Claim;
use uuid::Uuid;

use super::{Contested, Touched, Unit};
use crate::{Fault, claims};

impl Unit {
    /// The stream that will hold a claim.
    pub async fn holder_then(&self, claim: &Claim) -> Result<Option<Uuid>, Fault> {
        if let Some(taker) = self.touched().taker(claim) {
            return Ok(Some(taker));
        }
        let holder = self.holder(claim).await?;
        let keeps = |it: &Touched| it.facts.is_empty() || it.claims_now.contains(claim);
        let stays = |holder: &Uuid| self.touched().get(*holder).is_none_or(keeps);
        Ok(holder.filter(stays))
    }

    /// Whether a stream of this unit, which held the claim with this scope and key, lets go of it.
    pub fn lets_go(&self, stream_id: Uuid, scope: &str, key: &[u8]) -> bool {
        let vault = self.0.store.vault();
        let touched = self.touched();
        let Some(touched) = touched.get(stream_id).filter(|touched| !touched.facts.is_empty()) else { return false };
        !touched.claims_now.iter().any(|claim| claim.scope == scope && claims::stored_key(claim, vault) == key)
    }

    /// Those of these prefixes that the key of a claim of this scope begins with.
    pub async fn begun(&self, scope: &str, prefixes: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
        claims::begun(self.0.store.pool(), scope, prefixes).await
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
