//! Bookmarks: which transaction a session has seen.
//!
//! To a client they are opaque. Those of Neo4j 5 and later are `FB:` and base64 of PackStream,
//! measured on 5.26.18 and 2026.09.0:
//!
//! ```text
//! list header: number of databases, then for each of them, flat:
//!   byte array of 16: UUID of the database
//!   integer: id of the last transaction that is visible
//!   list: empty outside composite databases
//! ```
//! The id stays while nothing commits and grows by one with each commit. The creation of a label,
//! type or property name that was never used before is a commit of its own.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::packstream::Decoder;

/// A bookmark as the server gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bookmark(String);

/// What a bookmark of one database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BookmarkTx {
    /// Id of the database.
    pub database: Uuid,
    /// Id of the last transaction that is visible.
    pub tx_id: u64,
}

impl Bookmark {
    /// The text to hand to [`RunOptions::bookmarks`](crate::RunOptions::bookmarks).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is inside, if it is of the known form and tells of one database.
    pub fn decoded(&self) -> Option<BookmarkTx> {
        let bytes = STANDARD.decode(self.0.strip_prefix("FB:")?).ok()?;
        let mut decoder = Decoder::new(&bytes);
        if decoder.list_header().ok()? != 1 {
            return None;
        }
        let database = Uuid::from_slice(decoder.bytes().ok()?).ok()?;
        let tx_id = u64::try_from(decoder.int().ok()?).ok()?;
        decoder.skip().ok()?;
        decoder.is_empty().then_some(BookmarkTx { database, tx_id })
    }
}

impl From<String> for Bookmark {
    fn from(bookmark: String) -> Self {
        Self(bookmark)
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<BookmarkTx> {
        Bookmark::from(text.to_owned()).decoded()
    }

    #[test]
    fn bookmarks_of_both_lines_are_understood() {
        for (text, database, tx_id) in [
            ("FB:kcwQoDSmU8SnTd+hHZ/ujs9mawOQ", "a034a653-c4a7-4ddf-a11d-9fee8ecf666b", 3),
            ("FB:kcwQwFw3drgLSfuu0BQHI3DhPgWQ", "c05c3776-b80b-49fb-aed0-14072370e13e", 5),
        ] {
            let database = database.parse().unwrap();
            assert_eq!(decoded(text), Some(BookmarkTx { database, tx_id }));
        }
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for text in [
            "",
            "FB:",
            "FB:*",
            "neo4j:bookmark:v1:tx1",
            "FB:kA==",
            "kcwQoDSmU8SnTd+hHZ/ujs9mawOQ",
            // One byte more, a negative id, the last byte missing, a UUID of 15 bytes.
            "FB:kcwQoDSmU8SnTd+hHZ/ujs9mawOQAA==",
            "FB:kcwQoDSmU8SnTd+hHZ/ujs9ma/+Q",
            "FB:kcwQoDSmU8SnTd+hHZ/ujs9mawM=",
            "FB:kcwPoDSmU8SnTd+hHZ/ujs9mA5A=",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let found = decoded(&format!("FB:{}", STANDARD.encode(&bytes)));
            prop_assert!(found.is_none_or(|_| bytes.len() >= 20));
        }
    }
}
