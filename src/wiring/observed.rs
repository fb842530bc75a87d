//! Where metrics and spans lead: Prometheus' text, OTLP.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use prometheus::{Registry, TextEncoder};

use super::Error;
use crate::{
    adapters::system_clock::SystemClock,
    domain::record::TopicPartition,
    engine::{progress::PartitionProgress, until_end::Watched},
    ports::{Clock as _, Dependency, Topics},
    telemetry::{Levels, Metrics, Tracing},
};

const SCOPE: &str = "passflow";
/// How long the end waits until what is left is sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the ends of the topics are asked for.
const ENDS_EVERY: Duration = Duration::from_secs(5);

/// Where metrics and spans lead.
pub struct Observed {
    /// What counts.
    pub metrics: Metrics,
    /// What makes spans.
    pub tracing: Tracing,
    registry: Option<Registry>,
    meters: Option<SdkMeterProvider>,
    tracers: Option<SdkTracerProvider>,
}

impl Observed {
    /// Nowhere: what is counted costs nothing.
    pub fn nowhere() -> Self {
        Self { metrics: Metrics::off(), tracing: Tracing::off(), registry: None, meters: None, tracers: None }
    }

    /// To those who read [`Observed::text`], if `prometheus` says so, and to the collector that
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` names; the other variables of OpenTelemetry hold as its SDK has them.
    ///
    /// # Errors
    /// When the settings of the exporters do not hold together.
    pub fn new(prometheus: bool, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
        let otlp = set("OTEL_EXPORTER_OTLP_ENDPOINT");
        if !prometheus && !otlp {
            return Ok(Self::nowhere());
        }
        if otlp
            && let Some(other) =
                environment("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|name| !["", "grpc"].contains(&name.as_str()))
        {
            return Err(Error::Other(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other}; passflow speaks grpc alone")));
        }
        let failed = |error: String| Error::Other(format!("setting up telemetry: {error}"));
        let mut resource = Resource::builder();
        if !set("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name(SCOPE);
        }
        let resource = resource.build();
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
        let registry = prometheus.then(Registry::new);
        if let Some(registry) = &registry {
            let exporter = opentelemetry_prometheus::exporter()
                .with_registry(registry.clone())
                .without_units()
                .without_counter_suffixes()
                .without_target_info()
                .scope_info_enabled(false)
                .build();
            meters = meters.with_reader(exporter.map_err(|error| failed(error.to_string()))?);
        }
        let mut tracers = None;
        if otlp {
            let exporter = MetricExporter::builder().with_tonic().build().map_err(|error| failed(error.to_string()))?;
            meters = meters.with_periodic_exporter(exporter);
            let exporter = SpanExporter::builder().with_tonic().build().map_err(|error| failed(error.to_string()))?;
            tracers = Some(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build());
        }
        let meters = meters.build();
        Ok(Self {
            metrics: Metrics::new(&meters.meter(SCOPE)),
            tracing: tracers.as_ref().map_or_else(Tracing::off, |tracers| Tracing::new(tracers.tracer(SCOPE))),
            registry,
            meters: Some(meters),
            tracers,
        })
    }

    /// The metrics in Prometheus' text format.
    pub fn text_of(&self) -> impl Fn() -> Result<String, String> + Send + Sync + 'static {
        let registry = self.registry.clone();
        move || {
            let Some(registry) = &registry else { return Ok(String::new()) };
            TextEncoder::new().encode_to_string(&registry.gather()).map_err(|error| error.to_string())
        }
    }

    /// From now on shows how these pipelines stand; what is returned keeps looking how far their topics go.
    pub fn watch(&self, watched: &[Watched], topics: Arc<dyn Topics>) -> Option<tokio::task::JoinHandle<()>> {
        let meters = self.meters.as_ref()?;
        let watched: Vec<Watched> = watched.to_vec();
        let ends = Arc::<Mutex<BTreeMap<TopicPartition, End>>>::default();
        let (of, known) = (watched.clone(), Arc::clone(&ends));
        Metrics::observe(&meters.meter(SCOPE), move || {
            levels(&of, &known.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Some(tokio::spawn(async move {
            let clock = SystemClock;
            let mut asked_ms = 0;
            loop {
                for topic in watched.iter().flat_map(|watched| &watched.consumes) {
                    let Ok(ranges) = topics.partitions(topic).await else { continue };
                    let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
                    for (partition, range) in (0..).zip(ranges) {
                        let end = ends.entry(TopicPartition { topic: topic.clone(), partition }).or_default();
                        if end.offset != range.end {
                            *end = End { offset: range.end, moved_after_ms: asked_ms };
                        }
                    }
                }
                asked_ms = clock.now_ms();
                tokio::time::sleep(ENDS_EVERY).await;
            }
        }))
    }

    /// Sends what is left, within a bound.
    pub async fn end(self) {
        let Self { meters, tracers, .. } = self;
        let flushed = tokio::task::spawn_blocking(move || {
            let tracers = tracers.map(|tracers| tracers.shutdown_with_timeout(FLUSH_TIMEOUT));
            let meters = meters.map(|meters| meters.shutdown_with_timeout(FLUSH_TIMEOUT));
            for error in [tracers, meters].into_iter().flatten().filter_map(Result::err) {
                tracing::debug!(%error, "the last telemetry could not be sent");
            }
        });
        drop(tokio::time::timeout(FLUSH_TIMEOUT * 2, flushed).await);
    }
}

/// A partition's end, and since when it may lie there: the last time that it was known to lie before.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    offset: i64,
    moved_after_ms: i64,
}

/// How pipelines stand.
fn levels(watched: &[Watched], ends: &BTreeMap<TopicPartition, End>) -> Levels {
    let mut levels = Levels::default();
    let mut waits = Vec::new();
    for Watched { pipeline, progress, .. } in watched {
        let snapshot = progress.snapshot();
        let in_flight: usize = snapshot.partitions.values().map(|partition| partition.in_flight).sum();
        levels.in_flight.push((pipeline.clone(), in_flight as u64));
        waits.extend(snapshot.waiting_for.map(|(dependency, _)| dependency));
        for (place, partition) in snapshot.partitions {
            let Some(end) = ends.get(&place) else { continue };
            levels.lag.push((place.topic.to_string(), place.partition, lag(&partition, *end)));
        }
    }
    let all = [Dependency::Topics, Dependency::Documents, Dependency::Tokens, Dependency::Bytemark];
    levels.waiting_for = all.into_iter().map(|dependency| (dependency.name(), waits.contains(&dependency))).collect();
    levels
}

/// 0 when the partition was read to its end since that moved, whatever markers of transactions lie there. One whose end
/// moves on while nothing is read lags, though nothing is in flight.
fn lag(partition: &PartitionProgress, end: End) -> i64 {
    let was_read = partition.end.is_some() && partition.end_at_ms >= end.moved_after_ms;
    if was_read && partition.in_flight == 0 { 0 } else { (end.offset - partition.committed).max(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_not_read_any_more_lags() {
        let read = PartitionProgress { committed: 7, in_flight: 0, end: Some(7), end_at_ms: 1_000 };
        assert_eq!(lag(&read, End { offset: 8, moved_after_ms: 900 }), 0, "a marker");
        assert_eq!(lag(&read, End { offset: 100, moved_after_ms: 2_000 }), 93);
        let busy = PartitionProgress { in_flight: 2, ..read };
        assert_eq!(lag(&busy, End { offset: 9, moved_after_ms: 900 }), 2);
    }
}
