//! The embedded storage, in a directory of its own.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use passflow::{
    adapters::{
        sqlite_documents::SqliteDocuments,
        sqlite_parking::SqliteParking,
        sqlite_store::{Settings, Store},
        sqlite_tokens::SqliteTokens,
        sqlite_topics::{Defaults, FetchSettings, SqliteTopics},
    },
    domain::{token::Token, user_id::UserId},
    ports::{Documents, ParkingEvents, Tokens, Topics},
};

use crate::storage::{DocumentsStorage, ManualClock, ParkingStorage, Storage, TokensStorage, TopicsStorage};

pub struct Sqlite {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Sqlite {
    pub async fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::<ManualClock>::default());
        Store::open(dir.path(), Settings::default()).await.unwrap();
        Self { dir, clock }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Another connection to the same file, as another process has it.
    pub async fn store(&self) -> Store {
        Store::open(self.dir(), Settings::default()).await.unwrap()
    }

    pub async fn sqlite_topics(&self) -> SqliteTopics {
        let clock = Arc::clone(&self.clock);
        SqliteTopics::new(self.store().await, clock, Defaults::default(), FetchSettings::default())
    }

    pub async fn sqlite_tokens(&self) -> SqliteTokens {
        SqliteTokens::new(self.store().await, self.sqlite_topics().await, "cdc.portal.bytemark_tokens".into())
    }
}

impl Storage for Sqlite {}

#[async_trait]
impl TopicsStorage for Sqlite {
    async fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(self.sqlite_topics().await)
    }

    async fn set_time(&self, now_ms: i64) {
        self.clock.set(now_ms);
    }
}

#[async_trait]
impl DocumentsStorage for Sqlite {
    async fn documents(&self, max_bytes: u64) -> Arc<dyn Documents> {
        Arc::new(SqliteDocuments::new(self.store().await, max_bytes))
    }
}

#[async_trait]
impl ParkingStorage for Sqlite {
    async fn parking(&self, max_bytes: u64) -> Arc<dyn ParkingEvents> {
        Arc::new(SqliteParking::new(self.store().await, max_bytes))
    }
}

#[async_trait]
impl TokensStorage for Sqlite {
    async fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::new(self.sqlite_tokens().await)
    }

    async fn put_tokens(&self, rows: &[(UserId, Option<&str>)]) {
        let tokens = self.sqlite_tokens().await;
        for (user, token) in rows {
            tokens.add_row(*user, token.and_then(|token| Token::new(token.to_owned()))).await.unwrap();
        }
    }
}
