//! The client's errors in the port's words.

use std::error::Error;

use crate::ports::NoAnswer;

/// What a failed request is called. The URL is left out: it says nothing that the settings do not say.
pub(super) fn no_answer(error: reqwest::Error) -> NoAnswer {
    let code = match (error.is_connect(), error.is_timeout()) {
        (true, _) => "connect_failed",
        (false, true) => "timed_out",
        (false, false) => "connection_lost",
    };
    NoAnswer { code, message: in_words(error) }
}

/// The error with all its causes.
pub(super) fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors repeat their cause.
        if !words.ends_with(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words
}
