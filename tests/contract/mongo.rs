//! Documents in a real MongoDB, in a database of their own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::{
    Client, Collection,
    bson::{Bson, Document, doc},
};
use passflow::{
    adapters::mongo_documents::{Connection, MongoDocuments, MongoParking, ParkingSettings, Settings, connect},
    domain::user_id::UserId,
    ports::{Documents, ParkingEvents},
};

use crate::storage::{DocumentsStorage, ParkingStorage, Storage, server, unique};

pub struct Mongo {
    pub client: Client,
    pub database: String,
}

impl Mongo {
    pub async fn new() -> Self {
        let uri = server("PASSFLOW_TEST_MONGODB");
        let connection = Connection { primary_max: Duration::from_secs(30), ..Connection::default() };
        let client = connect(&uri, &connection).await.unwrap();
        Self { client, database: unique("passflow_test") }
    }

    pub fn mongo_documents(&self, document_max_bytes: u64) -> MongoDocuments {
        MongoDocuments::new(&self.client, self.settings(document_max_bytes))
    }

    pub fn settings(&self, document_max_bytes: u64) -> Settings {
        Settings { database: self.database.clone(), document_max_bytes, ..Settings::default() }
    }

    pub fn mongo_parking(&self, document_max_bytes: u64) -> MongoParking {
        let settings =
            ParkingSettings { database: self.database.clone(), document_max_bytes, ..ParkingSettings::default() };
        MongoParking::new(&self.client, settings)
    }

    /// The parking events as other programs see them.
    pub fn events(&self) -> Collection<Document> {
        self.client.database(&self.database).collection("pm_parking_events")
    }

    /// The collection as other programs see it.
    pub fn collection(&self) -> Collection<Document> {
        self.client.database(&self.database).collection("bytemark_tickets_cache")
    }

    /// The stored document of a user.
    pub async fn stored(&self, of: UserId) -> Document {
        self.collection().find_one(doc! {"user_id": Bson::Int64(of.get())}).await.unwrap().expect("a document")
    }
}

#[async_trait]
impl Storage for Mongo {
    async fn remove(&self) {
        self.client.database(&self.database).drop().await.unwrap();
    }
}

#[async_trait]
impl DocumentsStorage for Mongo {
    async fn documents(&self, max_bytes: u64) -> Arc<dyn Documents> {
        Arc::new(self.mongo_documents(max_bytes))
    }
}

#[async_trait]
impl ParkingStorage for Mongo {
    async fn parking(&self, max_bytes: u64) -> Arc<dyn ParkingEvents> {
        Arc::new(self.mongo_parking(max_bytes))
    }
}
