//! What a call that failed tells its caller.

/// A call to a dependency that did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct PortError {
    /// What kind of failure: it decides what the caller does.
    pub kind: Failure,
    /// Which dependency.
    pub dependency: Dependency,
    /// What was being done, with its place.
    pub doing: String,
    /// Why it failed, in the dependency's words, and what to do. Never a secret.
    pub message: String,
}

/// What a failed call tells about its effect, and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The dependency is away or overloaded; nothing was done. Trying later helps.
    Down,
    /// No answer came: it may have been done, or may be done later yet.
    Unanswered,
    /// It was refused for what it is; trying again does not help.
    Refused,
}

/// What passflow depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// The topics.
    Topics,
    /// The documents.
    Documents,
    /// The tokens.
    Tokens,
    /// The Bytemark API.
    Bytemark,
}

impl Dependency {
    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Documents => "documents",
            Self::Tokens => "tokens",
            Self::Bytemark => "bytemark",
        }
    }
}
