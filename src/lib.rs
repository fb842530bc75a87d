//! passflow keeps riders' transit passes fresh and tells every change exactly once.

pub mod adapters;
pub mod cli;
pub mod console;
pub mod domain;
pub mod engine;
pub mod pipelines;
pub mod ports;
pub mod settings;
pub mod simulator;
pub mod telemetry;
pub mod wiring;
