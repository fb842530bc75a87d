//! The ports' implementations. They know their technology and nothing of each other.

pub mod memory;
mod system_clock;

pub use system_clock::SystemClock;
