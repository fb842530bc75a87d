//! The storage in memory, in a world without faults.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use passflow::{
    adapters::memory::{Chaos, ClusterSettings, MemoryCluster, MemoryDocuments, MemoryParking, MemoryTokens, World},
    domain::user_id::UserId,
    ports::{Documents, ParkingEvents, Tokens, Topics},
};

use crate::storage::{DocumentsStorage, ParkingStorage, Storage, TokensStorage, TopicsStorage};

pub struct Memory {
    world: World,
    cluster: MemoryCluster,
    documents: MemoryDocuments,
    parking: MemoryParking,
    tokens: MemoryTokens,
    last_key: AtomicI64,
}

impl Memory {
    #[allow(clippy::unused_async, reason = "the suites make every storage in the same way")]
    pub async fn new() -> Self {
        // The world's time is the runtime's: paused, it moves where a test sets it and where all wait.
        tokio::time::pause();
        let world = World::new(0);
        // A broker's usual limit of a record is below what a rule puts.
        let settings = ClusterSettings { record_max_bytes: 4 << 20, ..ClusterSettings::default() };
        Self {
            cluster: MemoryCluster::new(&world, settings),
            documents: MemoryDocuments::new(&world),
            parking: MemoryParking::new(&world),
            tokens: MemoryTokens::new(&world),
            world,
            last_key: AtomicI64::default(),
        }
    }
}

impl Storage for Memory {}

#[async_trait]
impl TopicsStorage for Memory {
    async fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(self.cluster.client(&Chaos::none()))
    }

    async fn set_time(&self, now_ms: i64) {
        let later = u64::try_from(now_ms - self.world.now_ms()).expect("time does not go back");
        tokio::time::advance(Duration::from_millis(later)).await;
    }
}

#[async_trait]
impl DocumentsStorage for Memory {
    async fn documents(&self, max_bytes: u64) -> Arc<dyn Documents> {
        self.documents.set_max_bytes(usize::try_from(max_bytes).unwrap());
        Arc::new(self.documents.client(&Chaos::none()))
    }
}

#[async_trait]
impl ParkingStorage for Memory {
    async fn parking(&self, max_bytes: u64) -> Arc<dyn ParkingEvents> {
        self.parking.set_max_bytes(usize::try_from(max_bytes).unwrap());
        Arc::new(self.parking.client(&Chaos::none()))
    }
}

#[async_trait]
impl TokensStorage for Memory {
    async fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::new(self.tokens.client(&Chaos::none()))
    }

    async fn put_tokens(&self, rows: &[(UserId, Option<&str>)]) {
        for (user, token) in rows {
            let key = 1 + self.last_key.fetch_add(1, Ordering::Relaxed);
            self.tokens.set_row(key, *user, token.unwrap_or_default());
        }
    }
}
