//! The ports' implementations, one module for each technology and port. They know nothing of each other.

pub mod bytemark_http;
pub mod kafka_topics;
pub mod memory;
pub mod mongo_documents;
pub mod mysql_tokens;
pub mod sqlite_audit;
pub mod sqlite_documents;
pub mod sqlite_parking;
pub mod sqlite_store;
pub mod sqlite_tokens;
pub mod sqlite_topics;
pub mod system_clock;
