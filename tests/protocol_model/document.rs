//! How a write meets the document: the part that one single-document update of the real store
//! does atomically.

use crate::rules::Rules;
use crate::state::{Document, Effect, Entry, Event, Phase, Stale, State, Write};

impl Document {
    /// A document with nothing in it, as an upsert creates it.
    pub fn empty(fence: u8) -> Self {
        Self { seq: 0, fence, content: 0, pending: Vec::new(), view: 0 }
    }

    /// Events of the entries that `wanted` picks, in `seq` order.
    pub fn pending_events(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Event> {
        let picked = self.pending.iter().filter(|entry| wanted(entry));
        let mut events: Vec<Event> = picked.flat_map(|entry| entry.events.clone()).collect();
        events.sort_unstable();
        events
    }

    fn add(&mut self, source: u8, event: Event, view: u8) {
        self.pending.push(Entry { source, events: vec![event] });
        self.seq = event.seq;
        self.content = event.to;
        self.view = view;
    }

    fn take_over(&mut self, source: u8) {
        let events = self.pending_events(|entry| entry.source > source);
        self.pending.retain(|entry| entry.source < source);
        self.pending.push(Entry { source, events });
    }
}

impl Write {
    /// Whether the write's filter matches now. If it does not, it never will again: versions and
    /// fences only grow, and a document is never deleted.
    pub fn matches(&self, document: Option<&Document>, rules: &Rules) -> bool {
        match (&self.effect, document) {
            (Effect::Create | Effect::Insert { .. }, document) => document.is_none(),
            (_, None) => false,
            (_, Some(document)) => {
                let version_matches = !(self.is_cas && self.outdated);
                version_matches && (!rules.fence || document.fence <= self.epoch)
            }
        }
    }
}

impl State {
    /// Lands a write. False if its filter matched nothing.
    pub fn land(&mut self, write: &Write, rules: &Rules) -> bool {
        if !write.matches(self.document.as_ref(), rules) {
            return false;
        }
        if write.bumps {
            self.outdate_writes();
        }
        self.stale = self.document.clone().map(|document| Stale { document, outdated: write.bumps });
        let document = self.document.get_or_insert_with(|| Document::empty(write.epoch));
        document.fence = document.fence.max(write.epoch);
        document.pending.retain(|entry| entry.source >= write.drop_below);
        match write.effect {
            Effect::Create | Effect::Touch => {}
            Effect::TakeOver { source } => document.take_over(source),
            Effect::Timestamp { view } => {
                self.older_view_won |= view < document.view;
                document.view = view;
            }
            Effect::Insert { event, source, view } | Effect::Change { event, source, view } => {
                self.older_view_won |= view < document.view;
                document.add(source, event, view);
            }
        }
        true
    }

    fn outdate_writes(&mut self) {
        for write in &mut self.late {
            write.outdated = true;
        }
        for owner in &mut self.owners {
            if let Phase::Writing { write, .. } = &mut owner.phase {
                write.outdated = true;
            }
        }
    }
}
