//! Claims: what one stream holds and no other may. Scanned in order, they are the indexes that decisions need.

use std::collections::{BTreeSet, HashMap};

use orbit_domain::{Claim, ClaimKey};
use orbit_platform::postgres::Pool;
use uuid::Uuid;

use crate::{Fault, Vault};

/// A claim as somebody holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The key as stored.
    pub key: Vec<u8>,
    /// Who holds it.
    pub stream_id: Uuid,
}

/// The bytes under which a claim is stored.
pub(crate) fn stored_key(claim: &Claim, vault: &Vault) -> Vec<u8> {
    match &claim.key {
        ClaimKey::Hashed(value) => vault.hash(claim.scope, value).to_vec(),
        ClaimKey::Ordered(bytes) => bytes.clone(),
    }
}

/// The stream that holds a claim.
pub(crate) async fn holder(pool: &Pool, claim: &Claim, vault: &Vault) -> Result<Option<Uuid>, Fault> {
    sqlx::query_scalar!(
        "SELECT stream_id FROM log.claims WHERE scope = $1 AND key = $2 LIMIT 1",
        claim.scope,
        stored_key(claim, vault)
    )
    .fetch_optional(pool)
    .await
    .map_err(Fault::database("look up a claim"))
}

/// The streams that hold these claims, in their order.
pub(crate) async fn holders(pool: &Pool, claims: &[Claim], vault: &Vault) -> Result<Vec<Option<Uuid>>, Fault> {
    let wanted: Vec<_> = claims.iter().map(|claim| (claim.scope.to_owned(), stored_key(claim, vault))).collect();
    // Asked once each, however often they are wanted.
    let (scopes, keys): (Vec<_>, Vec<_>) = wanted.iter().cloned().collect::<BTreeSet<_>>().into_iter().unzip();
    let held = held(pool, &scopes, &keys).await?;
    let held: HashMap<_, _> = held.into_iter().map(|(scope, held)| ((scope, held.key), held.stream_id)).collect();
    Ok(wanted.iter().map(|claim| held.get(claim).copied()).collect())
}

/// Those of these claims that somebody holds, with their scopes.
pub(crate) async fn held(pool: &Pool, scopes: &[String], keys: &[Vec<u8>]) -> Result<Vec<(String, Held)>, Fault> {
    if keys.is_empty() {
        return Ok(vec![]);
    }
    let limit = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        "SELECT c.scope, c.key, c.stream_id FROM unnest($1::text[], $2::bytea[]) AS w (scope, key)
         JOIN log.claims c ON c.scope = w.scope AND c.key = w.key ORDER BY c.scope, c.key LIMIT $3",
        scopes,
        keys,
        limit
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("look up claims"))?;
    Ok(rows.into_iter().map(|row| (row.scope, Held { key: row.key, stream_id: row.stream_id })).collect())
}

/// Those of these prefixes that the key of a claim of this scope begins with.
pub(crate) async fn begun(pool: &Pool, scope: &str, prefixes: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
    let from: Vec<Vec<u8>> = prefixes.iter().map(|prefix| prefix.as_bytes().to_vec()).collect();
    let to: Vec<Vec<u8>> = from.iter().map(|prefix| after_prefix(prefix)).collect();
    sqlx::query_scalar!(
        r#"SELECT p.id AS "id!" FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS p (id, from_key, to_key)
           WHERE EXISTS (SELECT 1 FROM log.claims c
                         WHERE c.scope = $1 AND c.key > p.from_key AND c.key < p.to_key)"#,
        scope,
        prefixes,
        &from,
        &to
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("look for claims below others"))
}

/// Claims of a scope with `from < key < to`, ascending, at most `limit`.
pub(crate) async fn ascending(
    pool: &Pool,
    scope: &str,
    from: &[u8],
    to: &[u8],
    limit: i64,
) -> Result<Vec<Held>, Fault> {
    sqlx::query_as!(
        Held,
        "SELECT key, stream_id FROM log.claims WHERE scope = $1 AND key > $2 AND key < $3 ORDER BY key LIMIT $4",
        scope,
        from,
        to,
        limit
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("scan claims"))
}

/// Claims of a scope with `from < key < to`, descending, at most `limit`.
pub(crate) async fn descending(
    pool: &Pool,
    scope: &str,
    from: &[u8],
    to: &[u8],
    limit: i64,
) -> Result<Vec<Held>, Fault> {
    sqlx::query_as!(
        Held,
        "SELECT key, stream_id FROM log.claims WHERE scope = $1 AND key > $2 AND key < $3 ORDER BY key DESC LIMIT $4",
        scope,
        from,
        to,
        limit
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("scan claims"))
}

/// Releases whatever streams of a user hold who is being forgotten: keyed hashes of names are theirs, too. The streams
/// take no more facts, so nothing can be taken meanwhile. Reads all claims: they have no index by stream, which every
/// append would pay for.
pub(crate) async fn forget(pool: &Pool, user: Uuid) -> Result<(), Fault> {
    sqlx::query!(
        "DELETE FROM log.claims WHERE stream_id IN (SELECT e.stream_id FROM log.events e WHERE e.user_id = $1)",
        user
    )
    .execute(pool)
    .await
    .map_err(Fault::database("release the claims of a user"))?;
    Ok(())
}

/// The first key that no longer starts with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Nothing but 0xff: ids and positions are shorter than this.
    vec![u8::MAX; 64]
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_start_with_it() {
        assert_eq!(after_prefix(&[1, 2]), [1, 3]);
        assert_eq!(after_prefix(&[1, 255]), [2]);
        assert!(after_prefix(&[255; 16]).as_slice() > [255_u8; 40].as_slice());
    }
}
