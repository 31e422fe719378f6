//! The kinds of problem that belong to no context.

use axum::http::StatusCode;

use super::ProblemKind;

macro_rules! kinds {
    ($($name:ident = $status:ident $code:literal, $title:literal, $explanation:literal;)+) => {
        $(#[doc = $title] pub static $name: ProblemKind = ProblemKind {
            code: $code, status: StatusCode::$status, title: $title, explanation: $explanation,
        };)+

        /// All of them.
        pub static ALL: &[&ProblemKind] = &[$(&$name),+];
    };
}

kinds! {
    MALFORMED_JSON = BAD_REQUEST "malformed_json", "The body is not JSON",
        "The body cannot be read as JSON in UTF-8: it ends too early, nests deeper than 128 levels, holds half of a surrogate pair, or a character does not belong where it stands. `errors` names the place where reading stopped.";
    INVALID_REQUEST = BAD_REQUEST "invalid_request", "The body does not have the right shape",
        "A field is missing, unknown, null where it must not be, or of the wrong JSON type. `errors` names every one of them.";
    INVALID_QUERY = BAD_REQUEST "invalid_query", "A query parameter is not right",
        "A query parameter is unknown, given twice or cannot be read. `errors` names every one of them.";
    INVALID_CURSOR = BAD_REQUEST "invalid_cursor", "The cursor is none of ours",
        "Pass `next_cursor` back exactly as it came, or leave `cursor` out to begin at the first page.";
    CURSOR_MISMATCH = BAD_REQUEST "cursor_mismatch", "The cursor belongs to another question",
        "A cursor continues the list it came from: the same path, filters and sort. Begin again at the first page after changing them.";
    INVALID_HEADER = BAD_REQUEST "invalid_header", "A header is not right",
        "A request header cannot be read. `errors` names it and says what is expected.";
    IDEMPOTENCY_KEY_REQUIRED = BAD_REQUEST "idempotency_key_required", "This request needs an Idempotency-Key",
        "Send `Idempotency-Key` with at most 255 visible ASCII characters that you choose, and the same one when you repeat the request.";
    TOKEN_IN_URL = BAD_REQUEST "token_in_url", "A token does not belong into a URL",
        "URLs end up in logs and histories. Send the token as `Authorization: Bearer` and consider this one as leaked.";
    UNAUTHENTICATED = UNAUTHORIZED "unauthenticated", "This request needs a token",
        "Send `Authorization: Bearer` with an access token from `/api/v1/auth/login` or an API token.";
    INVALID_TOKEN = UNAUTHORIZED "invalid_token", "The token is not valid",
        "The token is malformed, forged, revoked, or made for somebody else. Log in again.";
    TOKEN_EXPIRED = UNAUTHORIZED "token_expired", "The token has expired",
        "Access tokens live for minutes. Ask `/api/v1/auth/refresh` for a new one.";
    FORBIDDEN = FORBIDDEN "forbidden", "This is not allowed",
        "You are known, but this is not for you.";
    MISSING_SCOPE = FORBIDDEN "missing_scope", "The API token lacks a scope",
        "The API token was issued without the scope that `detail` names. Issue one that has it.";
    NOT_FOUND = NOT_FOUND "not_found", "There is nothing here",
        "No such path, or no such object of yours. Another user's object is answered in the same way.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed", "The path does not know this method",
        "`Allow` lists the methods that it knows.";
    CONFLICT = CONFLICT "conflict", "The present state does not allow this",
        "Somebody was faster, or the object is in a state in which this cannot be done. Read it again and decide.";
    GONE = GONE "gone", "This was here and is no more",
        "What you ask for existed and has been removed for good.";
    PRECONDITION_FAILED = PRECONDITION_FAILED "precondition_failed", "The object has changed meanwhile",
        "`If-Match` names another version than the present one. Read the object again, and send its `ETag`.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body_too_large", "The body is too large",
        "Bodies hold at most 1 MiB, unless a route says otherwise.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type", "The body's media type is not right",
        "Send JSON as `Content-Type: application/json`; a merge patch may also be `application/merge-patch+json`.";
    VALIDATION_FAILED = UNPROCESSABLE_ENTITY "validation_failed", "A rule for a field is broken",
        "The body has the right shape, but values in it break rules. `errors` names every one of them.";
    RULE_BROKEN = UNPROCESSABLE_ENTITY "rule_broken", "A rule is broken",
        "The request can be read, but what it asks for breaks a rule.";
    IDEMPOTENCY_KEY_REUSED = UNPROCESSABLE_ENTITY "idempotency_key_reused", "The Idempotency-Key belongs to another request",
        "This key was sent before with another body. Choose a new key for a new request.";
    PRECONDITION_REQUIRED = PRECONDITION_REQUIRED "precondition_required", "This request needs If-Match",
        "Send the `ETag` of the version that you have seen as `If-Match`.";
    RATE_LIMITED = TOO_MANY_REQUESTS "rate_limited", "Too many requests",
        "Wait for as many seconds as `Retry-After` says. `RateLimit` tells what is left before it comes to this.";
    INTERNAL_ERROR = INTERNAL_SERVER_ERROR "internal_error", "Something broke on our side",
        "It has been logged. If it happens again, ask for help with the `request_id`.";
    NOT_CONFIGURED = NOT_IMPLEMENTED "not_configured", "This is not set up here",
        "Whoever runs this server has to give the setting that `detail` names.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "unavailable", "Not available right now",
        "Something that this request needs does not answer. Try again after `Retry-After` seconds.";
    TIMEOUT = SERVICE_UNAVAILABLE "timeout", "It took too long",
        "The request was given up. Whether a write took place is not known: repeat it with the same `Idempotency-Key`.";
    NOT_SEALED = SERVICE_UNAVAILABLE "not_sealed", "The position is not sealed yet",
        "No checkpoint covers this position yet. The sealer signs one at most two seconds behind the log's head: try again after `Retry-After` seconds.";
    PROJECTION_LAG = SERVICE_UNAVAILABLE "projection_lag", "The read model has not got there yet",
        "The read model did not reach `Orbit-Min-Position` in time. Try again, or read without it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_snake_case_and_every_kind_is_an_error() {
        for (at, kind) in ALL.iter().enumerate() {
            assert!(kind.code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", kind.code);
            assert!(kind.status.is_client_error() || kind.status.is_server_error(), "{}", kind.code);
            assert!(ALL[..at].iter().all(|other| other.code != kind.code), "{}", kind.code);
        }
    }
}
