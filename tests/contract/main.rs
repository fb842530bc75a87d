//! What every storage adapter must do, whatever is behind it: one suite, run on each of them.
//!
//! Another adapter joins with a storage of its own (see [`storage`]) and a line for each of its ports at the end of this
//! file. Those of real servers want `PASSFLOW_TEST_*` in the environment, and fail without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

#[macro_use]
mod storage;
mod audit;
mod documents;
mod documents_lists;
mod kafka;
mod kafka_faults;
mod kafka_made_anew;
mod kafka_member;
mod kafka_names;
mod kafka_only;
mod kafka_sizes;
mod member;
mod members;
mod memory;
mod mongo;
mod mongo_only;
mod mongo_parking;
mod mongo_server;
mod mongo_ttl;
mod mysql;
mod mysql_only;
mod parking;
mod sqlite;
mod sqlite_crash;
mod sqlite_only;
mod sqlite_tokens;
mod tokens;
mod topics;

topics_suite!(topics_on_sqlite, crate::sqlite::Sqlite::new);
documents_suite!(documents_on_sqlite, crate::sqlite::Sqlite::new);
parking_suite!(parking_on_sqlite, crate::sqlite::Sqlite::new);
tokens_suite!(tokens_on_sqlite, crate::sqlite::Sqlite::new);

topics_suite!(topics_in_memory, crate::memory::Memory::new);
documents_suite!(documents_in_memory, crate::memory::Memory::new);
parking_suite!(parking_in_memory, crate::memory::Memory::new);
tokens_suite!(tokens_in_memory, crate::memory::Memory::new);

topics_suite!(topics_on_kafka, crate::kafka::Kafka::new);
documents_suite!(documents_on_mongo, crate::mongo::Mongo::new);
parking_suite!(parking_on_mongo, crate::mongo::Mongo::new);
tokens_suite!(tokens_on_mysql, crate::mysql::Mysql::new);
