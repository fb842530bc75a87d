//! The least that a refresh takes on the servers: requests read, tokens read, both lists fetched, sliced and hashed, and once
//! a batch one read of the documents, one write of their timestamps and one commit of offsets.

use std::{hint::black_box, pin::pin, sync::Arc, time::Instant};

use futures::{StreamExt as _, stream};
use mongodb::{
    Collection,
    bson::{RawDocumentBuf, doc},
};
use passflow::domain::{envelope::Envelope, request::PassRequest};
use rdkafka::{
    Message as _,
    consumer::{CommitMode, Consumer as _, StreamConsumer},
};
use reqwest::{Client, header};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    api_process::ApiProcess,
    binary::cpu_of,
    ground::{Ground, kafka_config, server},
    refresh::Measured,
};

/// Users whose documents are read and written together.
const BATCH: usize = 200;
/// Two requests a user.
const USERS_IN_FLIGHT: usize = 32;
const DEPTH_MAX: usize = 2000;

struct Bare<'a> {
    ground: &'a Ground,
    client: Client,
    documents: Collection<RawDocumentBuf>,
    consumer: Arc<StreamConsumer>,
    active: String,
    history: String,
}

/// Refreshes the users of the first `users` requests.
pub fn measure(ground: &Ground, api: &ApiProcess, users: u64) -> Measured {
    ground.runtime.block_on(async {
        let mongo = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.expect("MongoDB");
        let bare = Bare {
            ground,
            client: Client::builder().no_proxy().build().expect("a client"),
            documents: mongo.database(&ground.names.cache_database).collection(&ground.names.cache_collection),
            consumer: Arc::new(consumer(ground)),
            active: format!("{}/passes", api.base_url),
            history: format!("{}/v4.0/passes?status=EXPIRED&per_page=100&page=1", api.base_url),
        };
        bare.refresh(200.min(users)).await;
        let (cpu, begin) = (cpu_of("self"), Instant::now());
        bare.refresh(users).await;
        Measured { users, cpu: cpu_of("self").saturating_sub(cpu), wall: begin.elapsed() }
    })
}

fn consumer(ground: &Ground) -> StreamConsumer {
    let consumer: StreamConsumer = kafka_config()
        .set("group.id", format!("{}.bare", ground.id))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[ground.names.requests.as_str()]).expect("a subscription");
    consumer
}

impl Bare<'_> {
    async fn refresh(&self, users: u64) {
        let records = self.consumer.stream().take(usize::try_from(users).expect("a small number"));
        let requested = records.map(|record| {
            let record = record.expect("a record");
            let request = PassRequest::decode(record.payload().expect("a value")).expect("a request");
            request.user_id.get()
        });
        let fetched = requested
            .chunks(BATCH)
            .then(|users| self.tokens(users))
            .flat_map(stream::iter)
            .map(|(user, token)| async move {
                let both = tokio::join!(self.get(&self.active, &token), self.get(&self.history, &token));
                assert_eq!(both, (4, 2), "passes of user {user}");
                user
            })
            .buffer_unordered(USERS_IN_FLIGHT);
        // The next are fetched while these are stored.
        let mut stored = pin!(fetched.chunks(BATCH).map(|users| self.store(users)).buffer_unordered(2));
        while stored.next().await.is_some() {
            self.consumer.commit_consumer_state(CommitMode::Async).expect("a commit");
        }
    }

    async fn tokens(&self, users: Vec<i64>) -> Vec<(i64, String)> {
        let places = vec!["?"; users.len()].join(",");
        let select = format!("SELECT user_id, token FROM {} WHERE user_id IN ({places})", self.ground.table);
        let mut select = sqlx::query(AssertSqlSafe(select));
        for user in &users {
            select = select.bind(user);
        }
        let rows = select.fetch_all(&self.ground.pool).await.expect("tokens");
        assert_eq!(rows.len(), users.len());
        rows.iter().map(|row| (row.get::<u64, _>("user_id").cast_signed(), row.get("token"))).collect()
    }

    /// One list, sliced and hashed; returns how many passes it has.
    async fn get(&self, url: &str, token: &str) -> usize {
        let request = self.client.get(url).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let body = request.send().await.expect(url).bytes().await.expect(url);
        let envelope = black_box(Envelope::parse(&body, DEPTH_MAX).expect(url));
        envelope.passes.map_or(0, |passes| passes.len())
    }

    /// One read and one write of all documents of the batch.
    async fn store(&self, users: Vec<i64>) {
        let wanted = doc! {"user_id": {"$in": users.clone()}};
        let without_payloads = doc! {"passes.payload": 0, "passes4.payload": 0, "passesLog": 0, "passes4Log": 0};
        let batch = u32::try_from(BATCH * 2).expect("a small number");
        let found = self.documents.find(wanted.clone()).projection(without_payloads).batch_size(batch).await;
        let mut found = found.expect("documents");
        let mut bytes = 0;
        while found.advance().await.expect("documents") {
            bytes += found.current().as_bytes().len();
        }
        assert!(bytes > users.len() * 200, "documents of {bytes} bytes");
        let moved = self.documents.update_many(wanted, doc! {"$set": {"bare": 1}, "$inc": {"times": 1}}).await;
        assert_eq!(moved.expect("a write").matched_count, users.len() as u64);
    }
}
