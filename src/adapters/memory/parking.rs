//! The parking events.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;

use super::{
    chaos::Chaos,
    world::{World, lock},
};
use crate::{
    domain::parking::{ParkingEvent, StoredEvent},
    ports::{Dependency, ParkingEvents, PortError, Stored},
};

/// The store of parking events. Cheap to clone; all clones are the same store.
#[derive(Clone, Debug)]
pub struct MemoryParking(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    events: BTreeMap<String, StoredEvent>,
    max_bytes: usize,
    refused: Option<String>,
}

/// The largest document that `MongoDB` takes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl MemoryParking {
    /// An empty store.
    pub fn new(world: &World) -> Self {
        let state = State { events: BTreeMap::new(), max_bytes: MAX_BYTES, refused: None };
        Self(Arc::new(Shared { world: world.clone(), state: Mutex::new(state) }))
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> ParkingClient {
        ParkingClient { parking: self.clone(), chaos: chaos.clone() }
    }

    /// Makes the store take events up to this size only, in bytes of their fields' JSON text.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        self.state().max_bytes = max_bytes;
    }

    /// Makes the store refuse the event of this id, as a validation rule of the collection does.
    pub fn refuse(&self, id: &str) {
        self.state().refused = Some(id.to_owned());
    }

    /// All events, by id.
    pub fn all(&self) -> BTreeMap<String, StoredEvent> {
        self.state().events.clone()
    }

    /// One event.
    pub fn get(&self, id: &str) -> Option<StoredEvent> {
        self.state().events.get(id).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    fn store(&self, event: &ParkingEvent, process: &str) -> Stored {
        let mut state = self.state();
        if state.refused.as_ref() == Some(&event.id) {
            return Stored::Refused("refused (injected)".to_owned());
        }
        let stored = match state.events.get(&event.id).cloned().unwrap_or_default().with(event) {
            None => Stored::Already,
            Some(changed) if changed.fields_json().len() > state.max_bytes => Stored::TooLarge,
            Some(changed) => {
                state.events.insert(event.id.clone(), changed);
                Stored::Yes
            }
        };
        drop(state);
        self.0.world.note(process, format_args!("stores {} of {}: {stored:?}", event.source, event.id));
        stored
    }
}

/// One process's connection to [`MemoryParking`].
#[derive(Clone, Debug)]
pub struct ParkingClient {
    parking: MemoryParking,
    chaos: Chaos,
}

impl ParkingClient {
    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        apply: impl FnOnce(&MemoryParking) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let (parking, world) = (self.parking.clone(), &self.parking.0.world);
        self.chaos.call(world, Dependency::Documents, doing, move || Ok(apply(&parking))).await
    }
}

#[async_trait]
impl ParkingEvents for ParkingClient {
    async fn store(&self, events: &[Arc<ParkingEvent>]) -> Result<Vec<Stored>, PortError> {
        let (parking, process) = (self.parking.clone(), self.chaos.name().to_owned());
        let apply = move |event: Arc<ParkingEvent>| Ok(parking.store(&event, &process));
        let world = &self.parking.0.world;
        self.chaos.call_each(world, Dependency::Documents, "store parking events", events.to_vec(), apply).await
    }

    async fn event(&self, id: &str) -> Result<Option<String>, PortError> {
        let id = id.to_owned();
        self.call("read a parking event", move |parking| parking.get(&id).map(|event| event.document_json(&id))).await
    }

    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError> {
        self.call("remove parking events", move |parking| {
            let mut state = parking.state();
            let count = state.events.len();
            state.events.retain(|_, event| event.created_at_ms >= before_ms);
            (count - state.events.len()) as u64
        })
        .await
    }
}
