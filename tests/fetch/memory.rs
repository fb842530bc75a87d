//! What all fetches together hold, counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use passflow::{
    domain::{cache::List, token::Token, user_id::UserId},
    ports::{Answer, Endpoint, PassApi, Room, Unbounded},
};

use crate::api::{Limits, Reply, fetcher, head, token};

const BODY: usize = 10_000;

/// Bytes of bodies that somebody still holds, and the most there ever were.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Body(Vec<u8>, Arc<Held>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.1.now.fetch_sub(BODY, SeqCst);
    }
}

/// Bodies of one size, a page of the active list and so many of the history.
struct Large {
    held: Arc<Held>,
    pages: u32,
}

#[async_trait]
impl PassApi for Large {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Reply {
        self.get_within(endpoint, token, &Unbounded).await
    }

    async fn get_within(&self, endpoint: Endpoint, _token: &Token, room: &dyn Room) -> Reply {
        tokio::time::sleep(Duration::from_millis(5)).await;
        room.take(BODY).await;
        self.held.most.fetch_max(self.held.now.fetch_add(BODY, SeqCst) + BODY, SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (uuid, has_next) = match endpoint {
            Endpoint::History { page, .. } => (format!("p{page}"), page < self.pages),
            _ => ("a".to_owned(), false),
        };
        let head = format!(
            r#"{{"errors":[],"data":{{"pagination":{{"next":{has_next}}},"passes":[{{"uuid":"{uuid}","status":""#
        );
        let tail = r#""}]}}"#;
        let text = format!("{head}{}{tail}", "x".repeat(BODY - head.len() - tail.len()));
        assert_eq!(text.len(), BODY);
        let body = Bytes::from_owner(Body(text.into_bytes(), Arc::clone(&self.held)));
        Ok(Answer { status: 200, retry_after: None, body })
    }
}

/// 150 riders are fetched at once, and what came is written a while later. Gives the most that was held.
async fn most_held(bytes_max: usize, max_in_flight: usize, pages: u32) -> usize {
    let held = Arc::<Held>::default();
    let mut limits = Limits::default();
    limits.fetch.bytes_max = bytes_max;
    limits.gate.max_in_flight = max_in_flight;
    let fetcher = fetcher(Arc::new(Large { held: held.clone(), pages }), limits, 1);
    let fetcher = &fetcher;
    let refreshes = (1..=150).map(|user| async move {
        let fetched = fetcher.fetch(UserId::new(user).unwrap(), &token(user), &head(&[""; 0])).await;
        assert!(List::BOTH.into_iter().all(|list| fetched.answers.of(list).is_some()), "{:?}", fetched.failures);
        tokio::time::sleep(Duration::from_millis(50)).await;
    });
    let all = tokio::time::timeout(Duration::from_hours(1), join_all(refreshes));
    // An error would mean that fetches wait for each other.
    all.await.unwrap();
    assert_eq!(held.now.load(SeqCst), 0);
    held.most.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn bodies_read_and_not_yet_written_stay_within_the_room_and_one_fetch_beyond() {
    for max_in_flight in [1, 2, 64] {
        for pages in [1, 4] {
            let one_fetch = BODY * (1 + pages as usize);
            for bytes_max in [1, 3 * BODY + 5, 100 * BODY] {
                let most = most_held(bytes_max, max_in_flight, pages).await;
                assert!(most <= bytes_max + one_fetch, "{most} of {bytes_max}, {max_in_flight}, {pages}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_room_for_all_nobody_waits() {
    assert_eq!(most_held(300 * BODY, 300, 1).await, 300 * BODY);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_no_room_itself_has_it_taken_for_its_answers() {
    let mut limits = Limits::default();
    limits.fetch.bytes_max = 100;
    let setup = crate::api::Setup::with(limits, |call| match call.page() {
        None => crate::api::passes(&["a", "b"]),
        Some(_) => crate::api::none(),
    });
    let first = setup.fetch_of(1, &[]).await;
    let second = setup.fetch_of(2, &[]);
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_hours(1), &mut second).await.is_err());
    drop(first);
    second.await;
}
