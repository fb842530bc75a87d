//! The pages of a list, put together: a part of a list is never taken for all of it.

use super::answer::Page;
use crate::{
    domain::{cache::List, merge::Fresh},
    ports::{ACTIVE_LIMIT, Endpoint},
};

/// One pass over the pages of a list.
pub(super) struct Reading {
    list: List,
    /// What was read so far.
    pub(super) passes: Vec<Fresh>,
    /// Pages so far.
    pub(super) pages: u32,
    total: Option<u64>,
    is_repeating: bool,
}

/// What is to be asked for page `number` of a list.
pub(super) fn endpoint(list: List, number: u32, history_per_page: u32) -> Endpoint {
    match (list, number) {
        (List::Passes, 1) => Endpoint::Active,
        (List::Passes, page) => Endpoint::ActivePage { page },
        (List::Passes4, page) => Endpoint::History { per_page: history_per_page, page },
    }
}

impl Reading {
    pub(super) fn new(list: List) -> Self {
        Self { list, passes: Vec::new(), pages: 0, total: None, is_repeating: false }
    }

    /// Adds the next page. True when the list is whole; an error says why the pages do not add up.
    pub(super) fn add(&mut self, page: Page) -> Result<bool, String> {
        self.pages += 1;
        if self.pages > 1 && page.total_count != self.total {
            return Err("`total_count` changed from page to page".to_owned());
        }
        self.total = page.total_count;
        let is_last = match self.list {
            List::Passes => self.ends_active(&page)?,
            List::Passes4 => page.is_last(self.pages, self.passes.len()),
        };
        if self.list == List::Passes4 {
            // An API that knows no pages gives the same whenever it is asked. A list that moved by a page's length while
            // it was read looks alike once, but not twice.
            match (page.repeats(&self.passes), self.is_repeating) {
                (true, true) => return Ok(true),
                (true, false) => {
                    self.is_repeating = true;
                    return Ok(false);
                }
                (false, true) => return Err(format!("page {} differs where the one before repeats", self.pages)),
                (false, false) => {}
            }
        }
        if let Some(twice) = page.passes.iter().find(|fresh| has(&self.passes, &fresh.pass_uuid)) {
            return Err(format!("pass {} stands on two pages", twice.pass_uuid));
        }
        self.passes.extend(page.passes);
        let adds_up = !is_last || self.total.is_none_or(|total| total == self.passes.len() as u64);
        let count = self.passes.len();
        if adds_up { Ok(is_last) } else { Err(format!("{count} passes, `total_count` {:?}", self.total)) }
    }

    /// The active list comes on one page, unless that page tells of more, in whatever way.
    fn ends_active(&self, page: &Page) -> Result<bool, String> {
        let tells_of_more = page.tells_of_more(self.pages, self.passes.len(), ACTIVE_LIMIT as usize);
        if tells_of_more && self.pages > 1 && page.passes.is_empty() {
            return Err(format!("page {} is empty and tells of more", self.pages));
        }
        Ok(!tells_of_more)
    }
}

/// Whether both hold the same passes in the same order.
pub(super) fn are_alike(one: &[Fresh], other: &[Fresh]) -> bool {
    one.iter().map(|fresh| &fresh.pass_uuid).eq(other.iter().map(|fresh| &fresh.pass_uuid))
}

fn has(passes: &[Fresh], pass_uuid: &str) -> bool {
    passes.iter().any(|fresh| fresh.pass_uuid == pass_uuid)
}
