//! What the fast code is held against.

#![allow(dead_code)] // Each test takes what it needs.

pub(crate) mod generate;
pub(crate) mod slow;
