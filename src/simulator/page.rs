//! Envelopes and the pages of the history.

use std::ops::Range;

use super::dice::{below, mix, purpose};
use super::json_text::{Object, array};

/// The form in which a history answer says whether there is more; the vendor's own answers differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStyle {
    /// `next` is a path, and null on the last page; with both counts.
    PathOrNull,
    /// `next` is a path, and absent on the last page; no counts.
    PathOrAbsent,
    /// `next` is true, and false on the last page; with both counts.
    TrueOrFalse,
    /// Both counts, a `pagination` without `next`.
    Counts,
    /// `total_count` alone.
    Total,
    /// Passes alone: the end is where no more passes come.
    Bare,
}

impl PageStyle {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PathOrNull, Self::PathOrAbsent, Self::TrueOrFalse, Self::Counts, Self::Total, Self::Bare];

    /// The habit of this user's answers.
    pub(super) fn of(seed: u64, user: u64, styles: &[Self]) -> Self {
        let draw = mix(&[seed, purpose::HABIT, user, 1]);
        styles.get(below(draw, styles.len())).copied().unwrap_or(Self::PathOrNull)
    }
}

/// How the next page of a history is asked for, up to its size.
pub(super) const HISTORY_QUERY: &str = "/v4.0/passes?status=EXPIRED&per_page";

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1.
    pub number: usize,
    /// Passes a page, at least 1.
    pub size: usize,
    /// Passes in the whole list.
    pub total: usize,
    /// How the next page is asked for, up to its size.
    pub query: &'static str,
}

impl Page {
    fn count(self) -> usize {
        self.total.div_ceil(self.size)
    }

    fn is_last(self) -> bool {
        self.number >= self.count()
    }

    /// The places in the history that are on this page; `shift` places too early, except on the first.
    pub fn places(self, shift: usize) -> Range<usize> {
        let shift = if self.number > 1 { shift } else { 0 };
        let begin = (self.number - 1).saturating_mul(self.size).min(self.total);
        let end = begin.saturating_add(self.size).min(self.total);
        begin.saturating_sub(shift)..end.saturating_sub(shift)
    }

    /// `data` of the envelope; `told_total` is what `total_count` says.
    pub fn data(self, passes: &str, style: PageStyle, told_total: usize) -> String {
        let data = Object::with_capacity(passes.len() + 200).json("passes", passes);
        let counted = |data: Object| data.json("page_count", self.count()).json("total_count", told_total);
        let data = match style {
            PageStyle::Bare => data,
            PageStyle::Total => data.json("total_count", told_total),
            PageStyle::PathOrAbsent => data.json("pagination", self.pagination(style)),
            PageStyle::PathOrNull | PageStyle::TrueOrFalse | PageStyle::Counts => {
                counted(data).json("pagination", self.pagination(style))
            }
        };
        data.end()
    }

    fn pagination(self, style: PageStyle) -> String {
        let pagination = Object::new().json("page", self.number).json("per_page", self.size);
        let (next, size) = (self.number.saturating_add(1), self.size);
        let path = format!("{}={size}&page={next}", self.query);
        let pagination = match (style, self.is_last()) {
            (PageStyle::PathOrNull | PageStyle::PathOrAbsent, false) => pagination.text("next", &path),
            (PageStyle::PathOrNull, true) => pagination.null("next"),
            (PageStyle::TrueOrFalse, is_last) => pagination.json("next", !is_last),
            _ => pagination,
        };
        pagination.end()
    }
}

/// `data` of the active list.
pub(super) fn active_data(passes: &str) -> String {
    Object::with_capacity(passes.len() + 20).json("passes", passes).end()
}

/// The order in which an envelope's members stand, and how success is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeStyle {
    /// `errors`, `server_time`, `data`.
    Documented,
    /// `"error": null` in place of `errors`.
    ErrorNull,
    /// `data` first.
    DataFirst,
}

/// A whole answer that succeeded.
pub(super) fn envelope(server_time: &str, data: &str, style: EnvelopeStyle) -> String {
    let object = Object::with_capacity(data.len() + 80);
    let object = match style {
        EnvelopeStyle::Documented => object.json("errors", "[]").text("server_time", server_time).json("data", data),
        EnvelopeStyle::ErrorNull => object.json("error", "null").text("server_time", server_time).json("data", data),
        EnvelopeStyle::DataFirst => object.json("data", data).text("server_time", server_time).json("errors", "[]"),
    };
    object.end()
}

/// A whole answer that failed.
pub(super) fn error_envelope(server_time: &str, code: u32, message: &str) -> String {
    let error = Object::new().json("code", code).text("message", message).end();
    Object::new().json("errors", array([error])).text("server_time", server_time).json("data", "{}").end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_the_history_once() {
        let page = |number| Page { number, size: 2, total: 5, query: HISTORY_QUERY };
        let places: Vec<usize> = (1..=4).flat_map(|number| page(number).places(0)).collect();
        assert_eq!(places, [0, 1, 2, 3, 4]);
        assert_eq!(page(2).places(1), 1..3);
        assert_eq!(page(1).places(1), 0..2);
    }

    #[test]
    fn next_is_told_in_the_style() {
        let data = |number, style| Page { number, size: 2, total: 3, query: HISTORY_QUERY }.data("[]", style, 3);
        assert!(data(1, PageStyle::PathOrNull).contains(r#""next":"/v4.0/passes?status=EXPIRED&per_page=2&page=2""#));
        assert!(data(2, PageStyle::PathOrNull).contains(r#""page_count":2,"total_count":3"#));
        assert!(data(2, PageStyle::PathOrNull).contains(r#""next":null"#));
        assert!(!data(2, PageStyle::PathOrAbsent).contains("next"));
        assert!(data(1, PageStyle::TrueOrFalse).contains(r#""next":true"#));
        assert!(data(2, PageStyle::TrueOrFalse).contains(r#""next":false"#));
        assert_eq!(data(1, PageStyle::Total), r#"{"passes":[],"total_count":3}"#);
        assert_eq!(data(1, PageStyle::Bare), r#"{"passes":[]}"#);
    }

    #[test]
    fn an_empty_history_is_one_empty_page() {
        let page = Page { number: 1, size: 2, total: 0, query: HISTORY_QUERY };
        assert_eq!(page.places(0), 0..0);
        assert!(page.data("[]", PageStyle::TrueOrFalse, 0).contains(r#""page_count":0"#));
        assert!(page.data("[]", PageStyle::TrueOrFalse, 0).contains(r#""next":false"#));
    }
}
