//! The physical method: the store files of a server, copied while it runs.
//!
//! Nothing is asked of the server and nothing in its data is touched; the files are read beside it.
//! What makes a copy of moving files a backup is Neo4j's own recovery: started on the copy, a
//! server replays the transaction log from the last checkpoint, as after a power cut. So the copy
//! has to be what a power cut could have left:
//!
//! - Pages of **record stores** may be of any moment since that checkpoint: the log holds every
//!   change to them since, and is copied last, so that no store is newer than the log.
//! - **Index trees** reuse the pages they have freed after each checkpoint. Each tree must be of one
//!   span between two checkpoints, which its first pages tell ([`unit`]).
//! - **Lucene's folders** must be of one commit, which their `segments_N` tell.
//! - If a **checkpoint** comes while a database is read, what changed since is read once more, until
//!   none came ([`copy`]). Until then nothing counts: entries that are read again supersede those
//!   of before.
//!
//! Where the file system shares blocks between files, all that is read from clones that it makes at
//! once ([`clones`]), so that a checkpoint hardly ever comes in between.
//!
//! Locks and buffers of the running process (`store_lock`, `database_lock`, `id-buffer*`) are left
//! out.

mod clones;
mod copy;
mod layout;
mod log;
mod stamp;
mod unit;

pub use copy::{Copied, Piece, copy_store};
pub use layout::Layout;
