//! From a request to an answer: who asks, what goes wrong, what is shown. No I/O: [`http`](super::http) only delivers it.

use std::time::Duration;

use jiff::Timestamp;

use super::Simulator;
use super::answer::{Answer, Delivery, Request, RetryAfter};
use super::careless::careless;
use super::config::Denial;
use super::dice::{dice, duration, purpose};
use super::faults::{Fault, Outage};
use super::json_text::array;
use super::page::{EnvelopeStyle, HISTORY_QUERY, Page, PageStyle, active_data, envelope, error_envelope};
use super::pass_text::Keys;
use super::user::Entry;
use super::world::Endpoint;

/// Bytemark's code for an expired session.
const SESSION_EXPIRED: u32 = 50_020;

/// Passes a page when the request does not say.
const PER_PAGE_DEFAULT: usize = 25;

/// What is to become of a request, before any pass is read.
pub(super) struct Plan {
    request: Request,
    fate: Fate,
    pub latency: Duration,
    /// The seed of everything about this answer.
    seed: u64,
}

enum Fate {
    Outage(Outage),
    Denied,
    Answered { user: u64, fault: Option<Fault> },
}

impl Simulator {
    /// Answers a request as of now, without its latency.
    pub fn answer(&self, request: Request) -> Answer {
        self.fulfil(&self.plan(request))
    }

    /// Counts the request and decides what becomes of it. What is drawn depends on the user, the list and how often it
    /// was asked for, not on what other users do meanwhile (in light mode: on the number of all requests).
    pub(super) fn plan(&self, request: Request) -> Plan {
        let endpoint = request.endpoint;
        let nth = self.counters.request(endpoint);
        let user = request.token.as_deref().and_then(|token| self.owner(token));
        let nth = match (user, &self.light) {
            (Some(user), None) => self.world().count_request(user, endpoint),
            _ => nth,
        };
        let place = [user.unwrap_or_default(), endpoint as u64, nth];
        let seed = [self.config.seed, purpose::REQUEST, place[0], place[1], place[2]];
        let mut chance = dice(&seed);
        let latency = duration(&self.config.latency, &mut chance);
        let fate = match (self.outage(endpoint), user) {
            (Some(outage), _) => Fate::Outage(outage),
            (None, None) => Fate::Denied,
            (None, Some(user)) => Fate::Answered { user, fault: self.draw_fault(user, endpoint, &mut chance) },
        };
        Plan { request, fate, latency, seed: chance.u64(..) }
    }

    /// Reads the passes and makes the answer.
    pub(super) fn fulfil(&self, plan: &Plan) -> Answer {
        match plan.fate {
            Fate::Outage(outage) => {
                self.counters.outage();
                self.outage_answer(outage)
            }
            Fate::Denied => {
                self.counters.denied();
                self.denial()
            }
            Fate::Answered { user, fault: None } => self.right_answer(user, plan, None),
            Fate::Answered { user, fault: Some(fault) } => {
                self.counters.fault();
                self.faulty_answer(user, plan, fault)
            }
        }
    }

    fn outage_answer(&self, outage: Outage) -> Answer {
        match outage {
            Outage::Reset => Answer::undelivered(Delivery::Reset),
            Outage::Status(status) => Answer::html(status),
            Outage::Hang => Answer::undelivered(Delivery::Hang(self.faults().hang)),
        }
    }

    fn denial(&self) -> Answer {
        let body = error_envelope(&self.server_time(), SESSION_EXPIRED, "Session expired");
        match self.config.denial {
            Denial::Status401 => Answer::new(401, body),
            Denial::Status403 => Answer::new(403, body),
            Denial::Code50020 => Answer::new(200, body),
        }
    }

    fn faulty_answer(&self, user: u64, plan: &Plan, fault: Fault) -> Answer {
        let faults = self.faults();
        let failed = |status| Answer::new(status, error_envelope(&self.server_time(), 10_010, "Internal error"));
        let mut chance = dice(&[plan.seed]);
        let retry_after = match chance.u8(0..3) {
            0 => RetryAfter::DateIn(faults.retry_after_s),
            _ => RetryAfter::Seconds(faults.retry_after_s),
        };
        let waiting = |status| Answer { retry_after: Some(retry_after), ..failed(status) };
        let right = || self.right_answer(user, plan, Some(fault));
        match fault {
            Fault::Status500 => failed(500),
            Fault::Status502 => Answer::html(502),
            Fault::Status503 => failed(503),
            Fault::Status503RetryAfter => waiting(503),
            Fault::Status429 => waiting(429),
            Fault::Reset => Answer::undelivered(Delivery::Reset),
            Fault::Cut => right().cut(chance.f64()),
            Fault::Hang => Answer::undelivered(Delivery::Hang(faults.hang)),
            Fault::Html => Answer::html(200),
            Fault::ErrorEnvelope => failed(200),
            Fault::Truncated => right().truncated(chance.f64()),
            Fault::Slow => Answer { delivery: Delivery::Slow(faults.slow), ..right() },
            Fault::RepeatedPass | Fault::WrongTotal => right(),
            Fault::TooLarge => Answer { delivery: Delivery::Padded(faults.padding_bytes), ..right() },
        }
    }

    fn right_answer(&self, user: u64, plan: &Plan, fault: Option<Fault>) -> Answer {
        let request = &plan.request;
        if request.page == 0 || request.per_page == Some(0) {
            return Answer::new(400, error_envelope(&self.server_time(), 10_400, "page and per_page start at 1"));
        }
        if let Some(light) = &self.light {
            return Answer::new(200, light.body(user, request.endpoint, request.page));
        }
        let mut chance = dice(&[plan.seed, purpose::DRESS]);
        let is_careless = chance.f64() < self.config.careless;
        let keys = if is_careless { Keys::Careless } else { Keys::Canonical };
        let data = match request.endpoint {
            Endpoint::Active => self.active_data(user, request, keys),
            Endpoint::History => self.history_data(user, request, keys, fault),
        };
        let style = match chance.u8(0..3) {
            0 if is_careless => EnvelopeStyle::ErrorNull,
            1 if is_careless => EnvelopeStyle::DataFirst,
            _ => EnvelopeStyle::Documented,
        };
        let body = envelope(&self.server_time(), &data, style);
        let body = if is_careless { careless(&body, &mut chance) } else { body };
        Answer::new(200, body)
    }

    /// All on one page, as far as `limit` goes; a part tells that there is more.
    fn active_data(&self, user: u64, request: &Request, keys: Keys) -> String {
        let active = self.entries(user, request.endpoint);
        let size = request.per_page.unwrap_or(usize::MAX).min(self.config.active_limit_max).max(1);
        let page = Page { number: request.page, size, total: active.len(), query: "/passes?limit" };
        if page.number == 1 && page.total <= size {
            return active_data(&texts(&active, keys));
        }
        let style = match PageStyle::of(self.config.seed, user, &self.config.page_styles) {
            PageStyle::Bare => PageStyle::Total,
            style => style,
        };
        page.data(&texts(active.get(page.places(0)).unwrap_or_default(), keys), style, page.total)
    }

    fn history_data(&self, user: u64, request: &Request, keys: Keys, fault: Option<Fault>) -> String {
        let style = PageStyle::of(self.config.seed, user, &self.config.page_styles);
        let asked = request.per_page.unwrap_or(PER_PAGE_DEFAULT);
        let size = asked.min(self.config.history_per_page_max).max(1);
        let history = self.entries(user, request.endpoint);
        let page = Page { number: request.page, size, total: history.len(), query: HISTORY_QUERY };
        let shift = usize::from(fault == Some(Fault::RepeatedPass));
        let told_total = page.total + usize::from(fault == Some(Fault::WrongTotal));
        let passes = history.get(page.places(shift)).unwrap_or_default();
        page.data(&texts(passes, keys), style, told_total)
    }

    /// A copy of one of the user's lists, so that texts are made while others can read.
    fn entries(&self, user: u64, endpoint: Endpoint) -> Vec<Entry> {
        let mut world = self.world();
        let user = world.user(user);
        match endpoint {
            Endpoint::Active => user.active.clone(),
            Endpoint::History => user.history.clone(),
        }
    }

    fn server_time(&self) -> String {
        Timestamp::from_millisecond(self.world().now_ms()).unwrap_or_default().to_string()
    }
}

fn texts(passes: &[Entry], keys: Keys) -> String {
    array(passes.iter().map(|entry| entry.text(keys)))
}
