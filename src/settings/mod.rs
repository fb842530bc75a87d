//! Settings: the environment, a connections file and pipeline files, read and checked before anything is consumed.
//!
//! Raw text goes in, typed and valid values come out, or every problem at once with its file and line.

mod connections;
mod day_pass;
mod durations;
mod engine;
mod kind;
mod names;
mod passes;
mod pipeline;
mod problem;
mod secret;
mod select;
mod table;
pub mod units;
mod variables;

pub use self::{
    connections::{Connections, HttpListener, Kafka, Servers},
    engine::Engine,
    kind::{Kind, KindName, ParkingEvents, Ticks, TokenChanges},
    names::Names,
    passes::{Collections, Fetching, OnTokenRemoved, Passes, StatusLog},
    pipeline::Pipeline,
    problem::{Problem, Problems},
    secret::Secret,
    select::{BUILT_IN, FOLDER, all_pipelines, select_pipelines},
    table::is_topic_name,
    variables::unknown_variables,
};
