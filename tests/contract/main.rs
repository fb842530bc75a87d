//! What every storage adapter must do, whatever is behind it: one suite, run on each of them.
//!
//! Another adapter joins with a [`storage::Storage`] of its own and three lines at the end of this file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

#[macro_use]
mod storage;
mod documents;
mod documents_lists;
mod members;
mod memory;
mod sqlite;
mod sqlite_crash;
mod sqlite_only;
mod sqlite_tokens;
mod tokens;
mod topics;

topics_suite!(topics_on_sqlite, crate::sqlite::Sqlite::new);
documents_suite!(documents_on_sqlite, crate::sqlite::Sqlite::new);
tokens_suite!(tokens_on_sqlite, crate::sqlite::Sqlite::new);

topics_suite!(topics_in_memory, crate::memory::Memory::new);
documents_suite!(documents_in_memory, crate::memory::Memory::new);
tokens_suite!(tokens_in_memory, crate::memory::Memory::new);
