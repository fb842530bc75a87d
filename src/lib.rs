//! passflow keeps riders' transit passes fresh and tells every change exactly once.

pub mod domain;
pub mod ports;
pub mod settings;
