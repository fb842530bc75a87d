//! ParkMobile's responses: what becomes of them, and of those that nobody can handle.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use passflow::{
    adapters::memory::{Chaos, MemoryParking, ProcessClock},
    domain::{parking::Rules, record::Output},
    engine::Limits,
    pipelines::parking_events::ParkingEvents,
    ports::{Clock, Dependency},
};

use super::kit::{BASE_MS, Kit, Process, Surroundings, header, output, run, secs, sleep};

pub const RESPONSES: &str = "parkmobile.responses";
pub const GROUP: &str = "passflow.parking_events";

/// A process that runs this pipeline alone.
pub fn start(surroundings: &Surroundings, parking: &MemoryParking, chaos: Chaos, seed: u64, limits: Limits) -> Process {
    let mut process = Process::idle(surroundings, chaos.clone(), seed);
    let clock: Arc<dyn Clock> = Arc::new(ProcessClock::new(surroundings.world.clock(), chaos.clone()));
    let events = Arc::new(parking.client(&chaos));
    let handler = ParkingEvents::new(Rules::new(&["pan".to_owned()]), events, clock, 16);
    process.spawn("parking_events", &[RESPONSES], Arc::new(handler), limits);
    process
}

struct Lot {
    kit: Kit,
    parking: MemoryParking,
}

impl Lot {
    fn new() -> Self {
        let mut kit = Kit::new();
        kit.setup.pipelines = vec!["parking_events"];
        let parking = MemoryParking::new(&kit.surroundings.world);
        Self { kit, parking }
    }

    fn started() -> Self {
        let mut lot = Self::new();
        lot.start();
        lot
    }

    fn start(&mut self) {
        let process = start(&self.kit.surroundings, &self.parking, Chaos::none(), 1, Limits::default());
        self.kit.process = Some(process);
    }

    fn put(&self, key: &str, value: &str) {
        self.kit.put(RESPONSES, key, value);
    }

    fn put_raw(&self, key: Option<&str>, value: Option<&'static [u8]>) {
        let key = key.map(|key| Bytes::from(key.to_owned()));
        let value = value.map(Bytes::from_static);
        self.kit.put_output(Output { topic: RESPONSES.into(), key, value, ..output("", "") });
    }

    /// The fields of an event as JSON.
    fn fields(&self, id: &str) -> Option<String> {
        Some(self.parking.get(id)?.fields_json())
    }

    fn outcomes(&self) -> [u64; 3] {
        ["written", "skipped", "dead_lettered"].map(|outcome| self.kit.outcome("parking_events", outcome))
    }
}

#[test]
fn responses_become_events_under_the_id_that_they_have() {
    run(async {
        let lot = Lot::started();
        lot.put("key", r#"{"_id":"one","card":"4111111111111111","http_status":"200","response":{"zoneId":7}}"#);
        lot.put("key", r#"{"event_id":"two","http_status":"ECONNABORTED","response":null}"#);
        lot.put("three", r#"{"response":[{"pan":"4111 1111 1111 1111"}],"user_id":42,"payload":{"a":1}}"#);
        lot.put_raw(None, Some(b"{}"));
        lot.kit.settle().await;
        let masked = r#"{"card":"411111******1111","http_status":200,"response":{"zoneId":7}}"#;
        assert_eq!(lot.fields("one").as_deref(), Some(masked));
        assert_eq!(lot.fields("two").as_deref(), Some(r#"{"http_status":"ECONNABORTED","response":null}"#));
        let three = r#"{"response":[{"pan":"411111******1111"}],"user_id":42,"payload":{"a":1}}"#;
        assert_eq!(lot.fields("three").as_deref(), Some(three));
        let all = lot.parking.all();
        assert!(all.keys().any(|id| id.starts_with("parkmobile.responses/")), "{:?}", all.keys());
        assert!(all.values().all(|event| event.created_at_ms == BASE_MS && event.updated_at_ms == BASE_MS));
        assert_eq!((lot.outcomes(), lot.kit.codes().len()), ([4, 0, 0], 0));
    });
}

#[test]
fn a_later_response_replaces_what_it_carries_and_times_follow() {
    run(async {
        let lot = Lot::started();
        lot.put("e", r#"{"card":"1","http_status":500}"#);
        sleep(secs(60)).await;
        lot.put("e", r#"{"http_status":200,"response":{}}"#);
        lot.kit.settle().await;
        assert_eq!(lot.fields("e").as_deref(), Some(r#"{"card":"1","http_status":200,"response":{}}"#));
        let event = lot.parking.get("e").unwrap();
        assert_eq!((event.created_at_ms, event.updated_at_ms), (BASE_MS, BASE_MS + 60_000));
    });
}

#[test]
fn what_is_no_response_is_a_dead_letter_and_the_pipeline_goes_on() {
    run(async {
        let lot = Lot::started();
        let bad: [(&'static [u8], &str); 8] = [
            (b"nonsense", "not_json"),
            (b"{\"card\":\"\xff\"}", "not_json"),
            (b"[]", "wrong_type"),
            (b"{\"_id\":7}", "wrong_type"),
            (b"{\"card\":{}}", "wrong_type"),
            (b"{\"http_status\":true}", "wrong_type"),
            (b"{\"user_id\":0}", "bad_user_id"),
            (b"{\"user_id\":9007199254740992}", "bad_user_id"),
        ];
        for (value, _) in bad {
            lot.put_raw(Some("same"), Some(value));
        }
        lot.put("same", &format!("{{\"response\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000)));
        for tombstone in [None, Some(b"null".as_slice())] {
            lot.put_raw(Some("same"), tombstone);
        }
        lot.put("same", r#"{"card":"1"}"#);
        lot.kit.settle().await;
        let mut expected: Vec<&str> = bad.iter().map(|(_, code)| *code).chain(["document_too_large"]).collect();
        expected.sort_unstable();
        assert_eq!(lot.kit.codes(), expected);
        assert_eq!(lot.outcomes(), [1, 2, 9]);
        assert_eq!(lot.fields("same").as_deref(), Some(r#"{"card":"1"}"#));
        let (_, letter) = lot.kit.letters().remove(0);
        assert_eq!(header(&letter, "passflow.error.pipeline"), "parking_events");
        assert_eq!(header(&letter, "passflow.error.stage"), "decode");
    });
}

#[test]
fn what_the_store_does_not_take_is_a_dead_letter_and_its_neighbours_are_stored() {
    run(async {
        let lot = Lot::started();
        lot.parking.set_max_bytes(1000);
        lot.parking.refuse("bad");
        lot.put("large", &format!("{{\"response\":\"{}\"}}", "x".repeat(1000)));
        lot.put("bad", "{}");
        for number in 0..50 {
            lot.put(&format!("e{number}"), "{}");
        }
        lot.kit.settle().await;
        assert_eq!(lot.kit.codes(), ["document_too_large", "write_failed"]);
        assert!(lot.kit.letters().iter().all(|(_, letter)| header(letter, "passflow.error.stage") == "write"));
        assert_eq!((lot.outcomes(), lot.parking.all().len()), ([50, 0, 2], 50));
    });
}

#[test]
fn while_the_documents_are_away_nothing_is_lost_and_nothing_is_buried() {
    run(async {
        let lot = Lot::started();
        lot.put("before", "{}");
        lot.kit.settle().await;
        lot.kit.surroundings.world.take_down(Dependency::Documents, secs(3600));
        for number in 0..100 {
            lot.put(&format!("e{number}"), "{}");
        }
        sleep(secs(1800)).await;
        assert_eq!(lot.parking.all().len(), 1);
        sleep(secs(1830)).await;
        lot.kit.settle().await;
        assert_eq!((lot.outcomes(), lot.kit.codes().len()), ([101, 0, 0], 0));
    });
}

#[test]
fn records_that_are_read_again_change_nothing() {
    run(async {
        let mut lot = Lot::started();
        for number in 0..30 {
            lot.put(&format!("e{}", number % 10), &format!("{{\"n\":{number}}}"));
        }
        lot.kit.settle().await;
        let before = lot.parking.all();
        lot.kit.kill();
        sleep(Duration::from_secs(30)).await;
        // As an operator rewinds the group.
        for partition in lot.kit.surroundings.cluster.positions(GROUP).into_keys() {
            let position = passflow::domain::record::Position { offset: 0, metadata: String::new() };
            lot.kit.surroundings.cluster.set_position(GROUP, partition, position);
        }
        lot.start();
        lot.kit.settle().await;
        assert_eq!(lot.outcomes(), [0, 30, 0]);
        assert_eq!(lot.parking.all(), before);
    });
}
