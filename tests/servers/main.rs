//! The built binary on real servers: Kafka, MongoDB, MySQL. Their addresses come from `PASSFLOW_TEST_*`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod bad_input;
mod check;
mod debezium;
mod kills;
#[path = "../kill/life.rs"]
mod life;
mod mongoose;
mod old_cache;
mod parking;
mod path;
mod places;
#[path = "../process/mod.rs"]
mod process;
mod sizes;
mod status;
#[path = "../kill/story.rs"]
mod story;
mod table;
#[path = "../kill/work.rs"]
mod work;
mod world;
mod zombies;
