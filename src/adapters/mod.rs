//! The world behind the ports, one module for each technology and port.

pub mod sqlite_documents;
pub mod sqlite_store;

pub mod sqlite_tokens;
pub mod sqlite_topics;
