//! What an owner does with one record: reads the document, perhaps fetches, and decides.
//!
//! Reading and fetching are one step of the model. In the real engine the fetch follows the
//! read; whatever lands in between either moves the version or the fence, so that the write is
//! refused, or changes nothing that the decision rests on.

use crate::rules::Rules;
use crate::state::{Document, Effect, Event, Owner, Write, content_of};

/// What follows from a read.
#[derive(Debug)]
pub enum Decision {
    /// The document has a higher fence: take a new epoch and prove it.
    OwnAnew,
    /// The record ends with these outputs, without a write.
    Finish(Vec<Event>),
    /// The record ends with these outputs once the write has landed.
    Write(Write, Vec<Event>),
    /// The API must be asked.
    Fetch,
}

/// The decision that needs no fetch, or `Fetch`.
pub fn on_read(document: Option<&Document>, owner: &Owner, rules: &Rules) -> Decision {
    let record = owner.next();
    let Some(document) = document else {
        return on_absent(owner, rules);
    };
    if rules.fence && document.fence > owner.epoch {
        return Decision::OwnAnew;
    }
    let own_entry = |source: u8| source == record;
    if rules.replay && document.pending.iter().any(|entry| own_entry(entry.source)) {
        let outputs = document.pending_events(|entry| own_entry(entry.source));
        return on_own_entry(document, owner, outputs, rules);
    }
    let later = document.pending_events(|entry| entry.source > record);
    if rules.take_over && !later.is_empty() {
        let effect = Effect::TakeOver { source: record };
        let write = versioned(owner, true, rules, effect);
        return Decision::Write(write, later);
    }
    Decision::Fetch
}

/// The decision after a fetch; a failed one ends in the retry topic, which is not modelled.
pub fn on_fetched(document: Option<&Document>, owner: &Owner, view: Option<u8>, rules: &Rules) -> Decision {
    match (document, view) {
        (None, None) => Decision::Finish(Vec::new()),
        (None, Some(view)) => insert(owner, view),
        (Some(document), None) => without_news(document, owner, rules),
        (Some(document), Some(view)) => on_view(document, owner, view, rules),
    }
}

fn on_view(document: &Document, owner: &Owner, view: u8, rules: &Rules) -> Decision {
    let content = content_of(view);
    let must_seal = rules.seal && owner.unanswered;
    if content == document.content {
        let effect = Effect::Timestamp { view };
        let bumps = rules.timestamp_bumps || must_seal;
        let mut write = versioned(owner, bumps, rules, effect);
        write.is_cas = rules.timestamp_is_cas;
        return Decision::Write(write, Vec::new());
    }
    let event = Event { seq: document.seq + 1, to: content };
    let effect = Effect::Change { event, source: owner.next(), view };
    let mut write = versioned(owner, true, rules, effect);
    write.is_cas = rules.change_is_cas;
    Decision::Write(write, vec![event])
}

fn on_absent(owner: &Owner, rules: &Rules) -> Decision {
    if !rules.create {
        return Decision::Fetch;
    }
    let write = Write {
        epoch: owner.epoch,
        is_cas: false,
        outdated: false,
        bumps: false,
        drop_below: 0,
        effect: Effect::Create,
    };
    Decision::Write(write, Vec::new())
}

/// Without the rule `create`: the document comes into being with its first passes.
fn insert(owner: &Owner, view: u8) -> Decision {
    let event = Event { seq: 1, to: content_of(view) };
    let effect = Effect::Insert { event, source: owner.next(), view };
    let write = Write { epoch: owner.epoch, is_cas: false, outdated: false, bumps: true, drop_below: 0, effect };
    Decision::Write(write, vec![event])
}

fn on_own_entry(doc: &Document, owner: &Owner, outputs: Vec<Event>, rules: &Rules) -> Decision {
    if rules.adopt && doc.fence != owner.epoch {
        return Decision::Write(touch(owner, false, rules), outputs);
    }
    Decision::Finish(outputs)
}

/// Ends a record that has nothing to write.
fn without_news(document: &Document, owner: &Owner, rules: &Rules) -> Decision {
    let must_seal = rules.seal && owner.unanswered;
    if must_seal || (rules.touch && document.fence != owner.epoch) {
        return Decision::Write(touch(owner, must_seal, rules), Vec::new());
    }
    Decision::Finish(Vec::new())
}

fn touch(owner: &Owner, bumps: bool, rules: &Rules) -> Write {
    let mut write = versioned(owner, bumps, rules, Effect::Touch);
    write.drop_below = 0;
    write.is_cas = rules.touch_is_cas || bumps;
    write
}

fn versioned(owner: &Owner, bumps: bool, rules: &Rules, effect: Effect) -> Write {
    let drop_below = if rules.drop_only_committed { owner.committed } else { owner.next() };
    Write { epoch: owner.epoch, is_cas: true, outdated: false, bumps, drop_below, effect }
}
