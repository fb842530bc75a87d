//! passflow's own way: the pipeline `parking_events`, with its defaults.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use passflow::{
    settings::{Kind, Names},
    telemetry::{Metrics, Tracing},
    wiring::{
        self,
        running::{Running, Surroundings},
    },
};

use super::{Measured, Place};

/// Goes over the topic once; measured from the first commit to the last, as joining a group takes Kafka seconds.
pub fn measure(place: &Place, turn: usize, records: u64) -> Measured {
    let pipeline = place.pipeline(turn);
    let names = Names::of(std::slice::from_ref(&pipeline));
    let Kind::ParkingEvents(settings) = &pipeline.kind else { panic!("another pipeline") };
    let database = settings.database.clone();
    let store = place.runtime.block_on(wiring::open_store(&place.connections, &names)).expect("the servers");
    let surroundings =
        Surroundings { store, bytemark_url: None, seed: 1, metrics: Metrics::off(), tracing: Tracing::off() };
    let running =
        place.runtime.block_on(Running::start(surroundings, std::slice::from_ref(&pipeline))).expect("running");
    place.runtime.block_on(until(&running, |written| written > 0));
    let before = written(&running);
    let measured = Measured::of(records - before, || {
        place.runtime.block_on(until(&running, |written| written == records));
    });
    place.runtime.block_on(async {
        running.stop().await.expect("stopped");
        let client = mongodb::Client::with_uri_str(&place.mongodb).await.expect("MongoDB");
        let events = client.database(&database).collection::<Document>("pm_parking_events");
        assert_eq!(events.count_documents(doc! {}).await.expect("a count"), records, "each event once");
        place.drop_database(&database).await;
    });
    measured
}

/// Records stored and committed.
fn written(running: &Running) -> u64 {
    let outcomes = running.progress().map(|(_, progress)| progress.snapshot().outcomes);
    outcomes.map(|outcomes| outcomes.get("written").copied().unwrap_or(0)).sum()
}

async fn until(running: &Running, is_enough: impl Fn(u64) -> bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    while !is_enough(written(running)) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
