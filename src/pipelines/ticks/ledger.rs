//! What the ticks pipeline keeps beside its committed offset: where a fan-out stands, and which ticks were handled.

use std::{collections::VecDeque, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::user_id::UserId;

/// Kafka's brokers take 4096 bytes beside an offset; each id takes 11 characters here and three of punctuation.
const HANDLED_MAX: usize = 200;

/// The text beside the offset, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fan_out: Option<FanOut>,
    /// Short hashes of the ids of ticks that were fanned out, oldest first.
    #[serde(default)]
    handled: VecDeque<String>,
}

/// A fan-out that has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut {
    /// The tick's offset.
    pub offset: i64,
    /// When it began, in ms since 1970.
    pub begun_ms: i64,
    /// The last user that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// Users requested so far.
    pub sent: u64,
    /// Users there were when it began; 0 when not counted, because nothing is spread.
    pub total: u64,
}

impl FanOut {
    /// When the next page is due, in ms since 1970.
    pub fn due_ms(&self, spread: Duration) -> i64 {
        let whole_ms = u128::from(self.sent) * spread.as_millis();
        let due_ms = whole_ms.checked_div(u128::from(self.total)).unwrap_or(0).min(spread.as_millis());
        self.begun_ms.saturating_add(i64::try_from(due_ms).unwrap_or(i64::MAX))
    }

    /// Users a page: a second's worth when the requests are spread.
    pub fn page_size(&self, page: usize, spread: Duration) -> usize {
        if self.total == 0 || spread.is_zero() {
            return page.max(1);
        }
        let a_second = self.total.div_ceil(spread.as_secs().max(1));
        page.min(usize::try_from(a_second).unwrap_or(page)).max(1)
    }

    /// A page further.
    #[must_use]
    pub fn gone_to(self, last: UserId, users: usize) -> Self {
        Self { after: Some(last), sent: self.sent + users as u64, ..self }
    }
}

impl Ledger {
    /// Reads the text beside the offset. A text that is not ours counts as empty: at worst a tick is fanned out again,
    /// and its requests find everything fresh.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the tick was handled.
    pub fn has(&self, tick_id: &str) -> bool {
        self.handled.contains(&short(tick_id))
    }

    /// Where the fan-out of the tick at `offset` stands, if it has begun.
    pub fn fan_out_of(&self, offset: i64) -> Option<FanOut> {
        self.fan_out.clone().filter(|fan_out| fan_out.offset == offset)
    }

    /// After a page.
    #[must_use]
    pub fn going_on(self, fan_out: FanOut) -> Self {
        Self { fan_out: Some(fan_out), ..self }
    }

    /// After the last page.
    #[must_use]
    pub fn finished(mut self, tick_id: &str) -> Self {
        self.fan_out = None;
        self.handled.push_back(short(tick_id));
        while self.handled.len() > HANDLED_MAX {
            self.handled.pop_front();
        }
        self
    }
}

/// 64 bits of SHA-256: ids that collide among two hundred are not to be feared.
fn short(tick_id: &str) -> String {
    let digest = Sha256::digest(tick_id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_beside_an_offset_however_many_ticks_were_handled() {
        let mut ledger = Ledger::default();
        for number in 0..1000 {
            ledger = ledger.finished(&format!("refresh@{number}"));
        }
        let fan_out = FanOut {
            offset: i64::MAX,
            begun_ms: i64::MAX,
            after: UserId::new(UserId::MAX).ok(),
            sent: u64::MAX,
            total: u64::MAX,
        };
        ledger = ledger.going_on(fan_out);
        assert!(ledger.text().len() < 4096, "{}", ledger.text().len());
        assert!(ledger.has("refresh@999") && ledger.has("refresh@800") && !ledger.has("refresh@799"));
        assert_eq!(Ledger::read(&ledger.text()), ledger);
    }

    #[test]
    fn a_foreign_text_counts_as_empty() {
        assert_eq!(Ledger::read("not ours"), Ledger::default());
        assert_eq!(Ledger::read(""), Ledger::default());
    }

    #[test]
    fn requests_are_spread_evenly() {
        let spread = Duration::from_secs(100);
        let at = |sent| FanOut { begun_ms: 1_000_000, sent, total: 1_000, ..FanOut::default() }.due_ms(spread);
        assert_eq!([at(0), at(500), at(1_000), at(2_000)], [1_000_000, 1_050_000, 1_100_000, 1_100_000]);
        let fan_out = FanOut { total: 1_000, ..FanOut::default() };
        assert_eq!(fan_out.page_size(1000, spread), 10);
        assert_eq!(fan_out.page_size(1000, Duration::ZERO), 1000);
    }
}
