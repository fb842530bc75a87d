//! What a suite needs of an adapter, and the lists of rules.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt as _;
use passflow::{
    domain::user_id::UserId,
    ports::{Clock, Documents, ParkingEvents, Tokens, Topics},
};

/// An empty storage of its own for each test. What it holds is told by the traits below: an adapter joins with those
/// it has.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Takes away what would outlive the test.
    async fn remove(&self) {}
}

/// A storage of topics.
#[async_trait]
pub trait TopicsStorage: Storage {
    /// A handle on the topics. A further one stands for another process.
    async fn topics(&self) -> Arc<dyn Topics>;
    /// Sets the time that stamps records, to a later one than before or the same.
    async fn set_time(&self, now_ms: i64);
}

/// A storage of documents.
#[async_trait]
pub trait DocumentsStorage: Storage {
    /// A handle on the documents, of which none may become larger than `max_bytes`. A further one stands for another
    /// process.
    async fn documents(&self, max_bytes: u64) -> Arc<dyn Documents>;
}

/// A storage of parking events.
#[async_trait]
pub trait ParkingStorage: Storage {
    /// A handle on the events, of which none may become larger than `max_bytes`. A further one stands for another
    /// process.
    async fn parking(&self, max_bytes: u64) -> Arc<dyn ParkingEvents>;
}

/// A storage of tokens.
#[async_trait]
pub trait TokensStorage: Storage {
    /// A handle on the tokens. A further one stands for another process.
    async fn tokens(&self) -> Arc<dyn Tokens>;
    /// Puts rows into the table of tokens, with ascending keys; `None` is NULL.
    async fn put_tokens(&self, rows: &[(UserId, Option<&str>)]);
}

/// Runs a test on a storage of its own and takes the storage away, whatever comes of the test.
pub async fn run<S: Storage>(storage: S, test: impl AsyncFnOnce(&S)) {
    let outcome = AssertUnwindSafe(test(&storage)).catch_unwind().await;
    storage.remove().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// The address of a real server.
pub fn server(variable: &str) -> String {
    std::env::var(variable).ok().filter(|address| !address.is_empty()).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: start the servers with `scripts/servers up`, then `eval \"$(scripts/servers env)\"`"
        )
    })
}

/// A name that no other test has, here or in another process.
pub fn unique(prefix: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Stands still until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub fn user(number: i64) -> UserId {
    UserId::new(number).unwrap()
}

/// Fails a test that would wait for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_secs(60), future).await;
    answer.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Makes a test of each rule.
macro_rules! rules {
    ($name:ident, $make:path, $($module:ident :: $rule:ident),* $(,)?) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $rule() {
                    let rule = async |storage: &_| crate::$module::$rule(storage).await;
                    crate::storage::run($make().await, rule).await;
                }
            )*
        }
    };
}

macro_rules! topics_suite {
    ($name:ident, $make:path) => {
        rules!(
            $name,
            $make,
            topics::keeps_the_order_of_each_key,
            topics::puts_keys_where_kafka_does,
            topics::gives_back_every_byte,
            topics::makes_topics_with_the_published_partitions,
            topics::a_missing_topic_is_empty,
            topics::reads_from_any_offset_up_to_a_limit,
            topics::finds_offsets_by_time,
            topics::records_have_the_time_of_their_append,
            topics::spreads_records_without_a_key,
            members::owns_all_partitions_and_is_silent_until_started,
            members::commits_outputs_positions_and_metadata_together,
            members::an_uncommitted_batch_is_seen_by_nobody,
            members::refuses_an_old_ownership,
            members::refuses_commits_after_leaving,
            members::positions_stay_for_the_next_member,
            members::groups_are_apart,
            members::a_start_begins_a_new_session,
            members::a_paused_partition_is_silent,
            members::tells_the_end_again_after_more_records,
            members::notices_what_another_process_puts,
            members::notices_what_it_puts_itself,
            members::a_dropped_wait_loses_nothing,
            members::a_long_partition_does_not_hold_up_the_others,
            members::counts_the_backlog,
        );
    };
}

macro_rules! documents_suite {
    ($name:ident, $make:path) => {
        rules!(
            $name,
            $make,
            documents::a_created_document_is_empty,
            documents::create_keeps_what_exists,
            documents::heads_come_in_the_order_asked,
            documents::a_touch_with_a_time_moves_the_version,
            documents::a_touch_without_a_time_moves_the_fence_alone,
            documents::a_touch_forgets_committed_outputs,
            documents::a_change_moves_the_version,
            documents::refuses_another_version,
            documents::refuses_another_document_version,
            documents::refuses_a_lower_epoch,
            documents::takes_the_same_epoch_again,
            documents::a_missing_document_is_not_updated,
            documents::a_batch_has_an_outcome_for_each,
            documents::touches_five_hundred_users_at_once,
            documents::changes_five_hundred_users_at_once,
            documents::lists_users_in_pages,
            documents::epochs_only_rise,
            documents::marks_only_rise,
            documents_lists::keeps_puts_and_reorders_entries,
            documents_lists::a_kept_payload_survives_its_neighbours,
            documents_lists::one_list_leaves_the_other,
            documents_lists::payload_text_stays_byte_for_byte,
            documents_lists::the_state_comes_back_whole,
            documents_lists::logs_keep_the_newest,
            documents_lists::refuses_what_is_too_large,
            documents_lists::writes_the_whole_document,
        );
    };
}

macro_rules! parking_suite {
    ($name:ident, $make:path) => {
        rules!(
            $name,
            $make,
            parking::a_new_event_has_its_fields_and_times,
            parking::the_same_record_again_changes_nothing,
            parking::a_later_record_replaces_the_fields_that_it_carries,
            parking::a_late_record_adds_only_what_nobody_told_since,
            parking::between_partitions_times_decide,
            parking::records_of_one_event_may_come_together,
            parking::writers_of_one_event_at_once_come_to_the_same,
            parking::a_batch_has_an_answer_for_each,
            parking::what_is_too_large_stays_out_and_the_rest_goes_in,
            parking::unusual_names_and_values_are_stored,
            parking::bodies_near_the_limit_are_stored,
            parking::there_is_no_event_that_nobody_stored,
        );
    };
}

macro_rules! tokens_suite {
    ($name:ident, $make:path) => {
        rules!(
            $name,
            $make,
            tokens::the_last_row_with_a_token_counts,
            tokens::an_empty_token_is_none,
            tokens::answers_in_the_order_asked,
            tokens::pages_name_each_user_once,
        );
    };
}
