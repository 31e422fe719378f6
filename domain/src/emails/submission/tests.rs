//! Rules, as sentences.
