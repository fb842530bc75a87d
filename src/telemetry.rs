//! Every metric and span with its description, in one place.
//!
//! Instruments of OpenTelemetry; `wiring` says where they lead (Prometheus, OTLP). Those of [`Metrics::off`] and
//! [`Tracing::off`] do nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{Counter, Histogram, Meter},
    propagation::TextMapPropagator as _,
    trace::{Span as _, SpanKind, Tracer as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span},
};

use crate::domain::record::Source;

/// The header that names the trace of a record (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// Upper bounds of the histograms' buckets, in seconds: from an answer of the cache to a vendor that hangs.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// What is counted. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Option<Arc<Instruments>>);

#[derive(Debug)]
struct Instruments {
    records: Counter<u64>,
    record: Histogram<f64>,
    fetch: Histogram<f64>,
    changes: Counter<u64>,
    dead_letters: Counter<u64>,
    commit: Histogram<f64>,
    change_latency: Histogram<f64>,
}

/// What is so at the moment.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Records that are not committed yet, by topic and partition.
    pub lag: Vec<(String, u32, i64)>,
    /// Records in flight, by pipeline.
    pub in_flight: Vec<(String, u64)>,
    /// Whether a dependency is waited for, by its name.
    pub waiting_for: Vec<(&'static str, bool)>,
}

impl Metrics {
    /// Counts nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Counts with `meter`.
    pub fn new(meter: &Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        let seconds = |name, description| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(SECONDS.into())
                .build()
        };
        Self(Some(Arc::new(Instruments {
            records: counter("passflow_records_total", "Records committed, by what came of them."),
            record: seconds("passflow_record_seconds", "Time that the last turn of a record took, without its commit."),
            fetch: seconds("passflow_fetch_seconds", "Time of one request to Bytemark, with the wait for its answer."),
            changes: counter("passflow_changes_total", "Changes of passes that were stored with their event."),
            dead_letters: counter("passflow_dead_letters_total", "Dead letters committed, by code."),
            commit: seconds("passflow_commit_seconds", "Time of one commit of outputs and positions."),
            change_latency: seconds(
                "passflow_change_latency_seconds",
                "From the source record (or the request) to the change stored with its event.",
            ),
        })))
    }

    /// Gauges of what `levels` tells when they are read.
    pub fn observe(meter: &Meter, levels: impl Fn() -> Levels + Send + Sync + 'static) {
        let levels = Arc::new(levels);
        let gauge = |name, description| meter.i64_observable_gauge(name).with_description(description);
        let of = Arc::clone(&levels);
        gauge("passflow_consumer_lag", "Records between the committed position and the end of a partition.")
            .with_callback(move |observer| {
                for (topic, partition, lag) in of().lag {
                    let partition = KeyValue::new("partition", i64::from(partition));
                    observer.observe(lag, &[KeyValue::new("topic", topic), partition]);
                }
            })
            .build();
        let of = Arc::clone(&levels);
        gauge("passflow_in_flight", "Records that are being handled or wait for their commit.")
            .with_callback(move |observer| {
                for (pipeline, count) in of().in_flight {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    observer.observe(count, &[KeyValue::new("pipeline", pipeline)]);
                }
            })
            .build();
        gauge("passflow_circuit_open", "1 while a pipeline waits for a dependency to come back.")
            .with_callback(move |observer| {
                for (dependency, waits) in levels().waiting_for {
                    observer.observe(i64::from(waits), &[KeyValue::new("dependency", dependency)]);
                }
            })
            .build();
    }

    /// Records were committed.
    pub fn committed(&self, pipeline: &Label, outcome: &'static str, records: u64) {
        let Some(on) = &self.0 else { return };
        on.records.add(records, &[pipeline.clone().0, KeyValue::new("outcome", outcome)]);
    }

    /// A record was handled.
    pub fn handled(&self, pipeline: &Label, took: Duration) {
        let Some(on) = &self.0 else { return };
        on.record.record(took.as_secs_f64(), &[pipeline.clone().0]);
    }

    /// A commit closed.
    pub fn commit(&self, took: Duration) {
        let Some(on) = &self.0 else { return };
        on.commit.record(took.as_secs_f64(), &[]);
    }

    /// A dead letter was committed.
    pub fn dead_letter(&self, pipeline: &Label, code: &str) {
        let Some(on) = &self.0 else { return };
        on.dead_letters.add(1, &[pipeline.clone().0, KeyValue::new("code", code.to_owned())]);
    }

    /// Bytemark was asked.
    pub fn fetched(&self, endpoint: &'static str, outcome: &'static str, took: Duration) {
        let Some(on) = &self.0 else { return };
        let labels = [KeyValue::new("endpoint", endpoint), KeyValue::new("outcome", outcome)];
        on.fetch.record(took.as_secs_f64(), &labels);
    }

    /// A change was stored, with the event that tells it.
    pub fn changed(&self, change: &'static str) {
        let Some(on) = &self.0 else { return };
        on.changes.add(1, &[KeyValue::new("change", change)]);
    }

    /// A change was stored with its events, so long after its source.
    pub fn told(&self, after: Duration) {
        let Some(on) = &self.0 else { return };
        on.change_latency.record(after.as_secs_f64(), &[]);
    }
}

/// A pipeline's name, as the metrics have it.
#[derive(Clone, Debug)]
pub struct Label(KeyValue);

impl Label {
    /// Of a pipeline.
    pub fn pipeline(name: &str) -> Self {
        Self(KeyValue::new("pipeline", StringValue::from(Arc::<str>::from(name))))
    }
}

/// Where spans go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tracing(Option<SdkTracer>);

/// The handling of one record, from its turn to its end.
#[derive(Debug)]
pub struct RecordSpan(Span);

impl Tracing {
    /// No spans.
    pub fn off() -> Self {
        Self::default()
    }

    /// Spans of `tracer`.
    pub fn new(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// A span of a record's turn: a child of the one that `traceparent` names, or the first of a trace.
    pub fn record(&self, pipeline: &str, source: &Source, traceparent: Option<&str>) -> Option<RecordSpan> {
        let tracer = self.0.as_ref()?;
        let carrier: HashMap<String, String> =
            traceparent.map(|parent| (TRACEPARENT.to_owned(), parent.to_owned())).into_iter().collect();
        let parent = TraceContextPropagator::new().extract(&carrier);
        let span = tracer
            .span_builder(format!("{pipeline} process"))
            .with_kind(SpanKind::Consumer)
            .with_attributes([
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", source.topic.to_string()),
                KeyValue::new("messaging.destination.partition.id", source.partition.to_string()),
                KeyValue::new("messaging.kafka.offset", source.offset),
            ])
            .start_with_context(tracer, &parent);
        Some(RecordSpan(span))
    }
}

impl RecordSpan {
    /// For the records that follow from this one.
    pub fn traceparent(&self) -> String {
        let context = self.0.span_context();
        let flags = context.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
    }

    /// Its end, with what came of it.
    pub fn end(mut self, outcome: &'static str) {
        self.0.set_attribute(KeyValue::new("passflow.outcome", outcome));
        self.0.end();
    }
}
