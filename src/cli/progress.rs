use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error when that is a terminal, else nothing. `total` is unknown for standard input.
pub(super) fn bar(total: Option<u64>, what: &str) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if total.is_some() { "{msg} {wide_bar} {pos}/{len}" } else { "{spinner} {msg} {pos}" };
    // The templates are constant; the built-in style does when one should be wrong.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}
