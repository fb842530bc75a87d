//! The least that a refresh takes: both lists fetched, sliced and hashed; and once per batch of users one read of their
//! documents and one write of their timestamps.

use std::{hint::black_box, time::Instant};

use futures::{StreamExt as _, stream};
use passflow::domain::envelope::Envelope;
use reqwest::{Client, header};
use sqlx::{
    AssertSqlSafe, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{IN_FLIGHT, Measured, api_process::ApiProcess, cpu};

/// Users whose documents are read and written together.
const BATCH: u64 = 200;

const DEPTH_MAX: usize = 2000;

/// About what a document holds besides payloads, for six passes.
const HEAD_BYTES: usize = 1200;

/// Refreshes users `1..=users`, over a runtime like passflow's own.
pub fn measure(api: &ApiProcess, users: u64) -> Measured {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut database = database(&folder.path().join("bare.db"), users).await;
        let client = Client::builder().no_proxy().build().expect("a client");
        refresh_all(&client, &mut database, api, users.min(1000)).await;
        let (cpu_before, begin) = (cpu::time(), Instant::now());
        refresh_all(&client, &mut database, api, users).await;
        Measured { users, cpu: cpu::time().saturating_sub(cpu_before), wall: begin.elapsed() }
    })
}

async fn database(path: &std::path::Path, users: u64) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut database = SqliteConnection::connect_with(&options).await.expect("a database");
    sqlx::query("CREATE TABLE documents (id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, head BLOB NOT NULL)")
        .execute(&mut database)
        .await
        .expect("a table");
    let mut all = database.begin().await.expect("a transaction");
    for user in 1..=users {
        sqlx::query("INSERT INTO documents VALUES (?, 0, ?)")
            .bind(user.cast_signed())
            .bind(vec![b'x'; HEAD_BYTES])
            .execute(&mut *all)
            .await
            .expect("a row");
    }
    all.commit().await.expect("the rows");
    database
}

async fn refresh_all(client: &Client, database: &mut SqliteConnection, api: &ApiProcess, users: u64) {
    let active = format!("{}/passes", api.base_url);
    let history = format!("{}/v4.0/passes?status=EXPIRED&per_page=100&page=1", api.base_url);
    // Two requests a user.
    let mut done = stream::iter(1..=users)
        .map(|user| {
            let token = api.simulator.token_of(user).expect("a token");
            let (client, active, history) = (client.clone(), &active, &history);
            async move {
                let (active, history) = tokio::join!(get(&client, active, &token), get(&client, history, &token));
                assert_eq!((active, history), (4, 2), "passes of user {user}");
                user
            }
        })
        .buffer_unordered(IN_FLIGHT / 2)
        .chunks(usize::try_from(BATCH).expect("a small number"));
    while let Some(batch) = done.next().await {
        store(database, &batch).await;
    }
}

/// One list, sliced and hashed; returns how many passes it has.
async fn get(client: &Client, url: &str, token: &str) -> usize {
    let response = client.get(url).header(header::AUTHORIZATION, format!("Bearer {token}")).send().await.expect(url);
    let body = response.bytes().await.expect(url);
    let envelope = black_box(Envelope::parse(&body, DEPTH_MAX).expect(url));
    envelope.passes.map_or(0, |passes| passes.len())
}

/// One read and one write of all documents of the batch.
async fn store(database: &mut SqliteConnection, users: &[u64]) {
    let places = vec!["?"; users.len()].join(",");
    let select = format!("SELECT id, timestamp, head FROM documents WHERE id IN ({places})");
    let mut read = sqlx::query(AssertSqlSafe(select));
    for user in users {
        read = read.bind(user.cast_signed());
    }
    let rows = read.fetch_all(&mut *database).await.expect("the documents");
    let bytes: usize = rows.iter().map(|row| row.get::<&[u8], _>("head").len()).sum();
    assert_eq!(bytes, users.len() * HEAD_BYTES);

    let mut all = database.begin().await.expect("a transaction");
    let update = format!("UPDATE documents SET timestamp = timestamp + 1 WHERE id IN ({places})");
    let mut write = sqlx::query(AssertSqlSafe(update));
    for user in users {
        write = write.bind(user.cast_signed());
    }
    let written = write.execute(&mut *all).await.expect("the timestamps").rows_affected();
    assert_eq!(written, users.len() as u64);
    all.commit().await.expect("the timestamps");
}
