//! What stands behind the ports: one module a system.

pub mod bytemark_http;
